package broker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"authsome/internal/credential"
	"authsome/internal/login"
	"authsome/internal/provider"
	"authsome/internal/vault"
)

// Status is what a connection is good for.
type Status string

// The statuses a connection can have.
const (
	Connected Status = "connected"
	Expired   Status = "expired" // only a login helps
)

// DefaultName is the name of a connection when the user gives none.
const DefaultName = "default"

// Connection is one credential of one provider, under a name of the user's.
type Connection struct {
	Provider     string
	Name         string
	AuthType     string   // of the definition at login: api_key or oauth2
	Flow         string   // that obtained the credential
	Installation string   // login.Request.Installation
	BaseURL      string   // what {base_url} stood for at login, or ""
	Hosts        []string // the host rules the credential is bound to, as written
	Endpoints    []string // the OAuth endpoints it is bound to
	Private      []string // hosts that may have an address that is not on the public internet: at login they had one
	Account      string   // who is logged in, as the provider says; may be ""
	Asked        []string // the scopes the user asked for; nil: those of the definition
	ObtainedAt   time.Time
	RefreshedAt  time.Time        // zero: never
	RejectedAt   time.Time        // since when the authorization server refuses to refresh; zero: it does not
	Source       *Source          // where the values are fetched from; nil: they are in Credential
	Client       *login.Client    // the OAuth client it was given to; nil: the definition's
	Policy       *provider.Policy // what the credential may be used for; nil: everything
	Credential   credential.Credential

	pinned *provider.Policy // Policy as the session first saw it
}

// Status returns what c is good for at now. An access token that is past its
// expiry and can be refreshed is good.
func (c Connection) Status(now time.Time) Status {
	if !c.RejectedAt.IsZero() || c.Credential.Expired(now) && !c.refreshable() {
		return Expired
	}
	return Connected
}

// ExpiredSince returns since when c is Expired; it means nothing otherwise.
func (c Connection) ExpiredSince() time.Time {
	if !c.RejectedAt.IsZero() {
		return c.RejectedAt
	}
	return c.Credential.Expiry
}

// String returns PROVIDER/NAME.
func (c Connection) String() string { return c.Provider + "/" + c.Name }

// bound reports whether the credential was logged in for the host rule.
func (c Connection) bound(rule string) bool { return slices.Contains(c.Hosts, rule) }

// pool keeps upstream connections of one credential apart from all others.
func (c Connection) pool() string {
	b := append(make([]byte, 0, 96), c.Provider...)
	b = append(append(b, '/'), c.Name...)
	b = strconv.AppendInt(append(b, '/'), c.ObtainedAt.UnixNano(), 36)
	b = strconv.AppendInt(append(b, '/'), c.RefreshedAt.UnixNano(), 36)
	return string(b)
}

// record is a connection inside the vault.
type record struct {
	Version      int             `json:"version"`
	AuthType     string          `json:"auth_type"`
	Flow         string          `json:"flow,omitempty"`
	Installation string          `json:"installation,omitempty"`
	BaseURL      string          `json:"base_url,omitempty"`
	Hosts        []string        `json:"hosts"`
	Endpoints    []string        `json:"endpoints,omitempty"`
	Private      []string        `json:"private,omitempty"`
	Account      string          `json:"account,omitempty"`
	Asked        []string        `json:"asked,omitempty"`
	ObtainedAt   time.Time       `json:"obtained_at"`
	RefreshedAt  time.Time       `json:"refreshed_at,omitzero"`
	RejectedAt   time.Time       `json:"rejected_at,omitzero"`
	Source       *Source         `json:"source,omitempty"`
	Client       json.RawMessage `json:"client,omitempty"`
	Policy       json.RawMessage `json:"policy,omitempty"`
	Credential   json.RawMessage `json:"credential"`
}

const recordVersion = 1

// ErrRecord is wrapped by errors about a record that was sealed by this key
// but is not in a form this version reads.
var ErrRecord = errors.New("record is not in a form this version of authsome reads")

const connectionPrefix = "connection/"

func connectionKey(provider, name string) string {
	return connectionPrefix + provider + "/" + name
}

// splitKey is the inverse of connectionKey.
func splitKey(key string) (provider, name string, ok bool) {
	rest, ok := strings.CutPrefix(key, connectionPrefix)
	if !ok {
		return "", "", false
	}
	return strings.Cut(rest, "/")
}

func encodeConnection(c Connection) ([]byte, error) {
	kept := c.Credential
	if c.Source != nil {
		kept.Fields = nil
	}
	cred, err := credential.Encode(kept)
	if err != nil {
		return nil, err
	}
	r := record{
		Version: recordVersion, AuthType: c.AuthType, Flow: c.Flow, Installation: c.Installation, BaseURL: c.BaseURL,
		Hosts: c.Hosts, Endpoints: c.Endpoints, Private: c.Private, Account: c.Account, Asked: c.Asked, ObtainedAt: c.ObtainedAt.UTC(),
		RefreshedAt: c.RefreshedAt.UTC(), RejectedAt: c.RejectedAt.UTC(), Source: c.Source, Credential: cred,
	}
	if c.Client != nil {
		if r.Client, err = encodeClient(c.Client, nil); err != nil {
			return nil, err
		}
	}
	if c.Policy != nil {
		if r.Policy, err = json.Marshal(c.Policy); err != nil {
			return nil, err
		}
	}
	return json.Marshal(r)
}

// decodeConnection reads one record. Its errors never quote the content.
func decodeConnection(key string, data []byte) (Connection, error) {
	provider, name, ok := splitKey(key)
	if !ok {
		return Connection{}, ErrRecord
	}
	c, err := decodeRecord(data)
	if err != nil {
		return Connection{}, fmt.Errorf("%s/%s: %w", provider, name, err)
	}
	c.Provider, c.Name = provider, name
	return c, nil
}

func decodeRecord(data []byte) (Connection, error) {
	var r record
	if err := unmarshal(data, &r); err != nil || r.Version != recordVersion {
		return Connection{}, ErrRecord
	}
	c := Connection{
		AuthType: r.AuthType, Flow: r.Flow, Installation: r.Installation, BaseURL: r.BaseURL, Hosts: r.Hosts,
		Endpoints: r.Endpoints, Private: r.Private, Account: r.Account, Asked: r.Asked, ObtainedAt: r.ObtainedAt,
		RefreshedAt: r.RefreshedAt, RejectedAt: r.RejectedAt, Source: r.Source,
	}
	var err error
	if c.Credential, err = credential.Decode(r.Credential); err != nil {
		return Connection{}, err
	}
	if r.Client != nil {
		if c.Client, _, err = decodeClient(r.Client); err != nil {
			return Connection{}, err
		}
	}
	if r.Policy != nil {
		if c.Policy, err = provider.ParsePolicy(r.Policy); err != nil {
			return Connection{}, ErrRecord
		}
	}
	return c, nil
}

// unmarshal reads one JSON document with no field that is not known.
func unmarshal(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return ErrRecord
	}
	return nil
}

// CheckName refuses a connection name that could not be addressed on the
// command line or in a placeholder.
func CheckName(name string) error {
	if name == "" || len(name) > 64 {
		return fmt.Errorf("%w: %q has to have 1 to 64 characters", ErrName, clip(name))
	}
	for i, c := range []byte(name) {
		alphanumeric := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !alphanumeric && (i == 0 || !strings.ContainsRune("._@+-", rune(c))) {
			return fmt.Errorf("%w: %q; letters, digits and . _ @ + - are allowed, a letter or digit first", ErrName, clip(name))
		}
	}
	return nil
}

// clip shortens hostile input for an error message.
func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}

// Connections returns every connection of the profile, sorted by provider
// and name. When some records are damaged it returns the good ones with an
// error that names the others.
func (b *Broker) Connections(ctx context.Context) ([]Connection, error) {
	v, err := b.opened(ctx)
	if err != nil || v == nil {
		return nil, err
	}
	records, err := v.List(ctx, b.config.Profile, connectionPrefix)
	errs := []error{err}
	connections := make([]Connection, 0, len(records))
	for _, r := range records {
		c, err := decodeConnection(r.Key, r.Data)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		connections = append(connections, c)
	}
	slices.SortFunc(connections, func(x, y Connection) int { return strings.Compare(x.String(), y.String()) })
	return connections, errors.Join(errs...)
}

// Connection returns one connection; name "" means the provider's default.
// ErrNotConnected when there is none, ErrNoDefault when there are several and
// none of them is the default.
func (b *Broker) Connection(ctx context.Context, provider, name string) (Connection, error) {
	if name != "" {
		return b.named(ctx, provider, name)
	}
	connections, err := b.Connections(ctx)
	if err != nil {
		return Connection{}, err
	}
	name, err = b.Default(ctx, provider, connections)
	if err != nil {
		return Connection{}, err
	}
	i := slices.IndexFunc(connections, func(c Connection) bool { return c.Provider == provider && c.Name == name })
	return connections[i], nil
}

func (b *Broker) named(ctx context.Context, provider, name string) (Connection, error) {
	if err := CheckName(name); err != nil {
		return Connection{}, err
	}
	key := connectionKey(provider, name)
	data, err := b.get(ctx, key)
	if errors.Is(err, vault.ErrNotFound) {
		return Connection{}, &NotConnected{Provider: provider, Name: name}
	}
	if err != nil {
		return Connection{}, fmt.Errorf("%s/%s: %w", provider, name, err)
	}
	return decodeConnection(key, data)
}

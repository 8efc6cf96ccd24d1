package broker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"authsome/internal/credential"
	"authsome/internal/vault"
)

// Status is what a connection is good for.
type Status string

// The statuses a connection can have.
const (
	Connected Status = "connected"
	Expired   Status = "expired" // past its expiry: log in again
)

// DefaultName is the name of a connection when the user gives none.
const DefaultName = "default"

// Connection is one credential of one provider, under a name of the user's.
type Connection struct {
	Provider   string
	Name       string
	AuthType   string   // of the definition at login: api_key or oauth2
	BaseURL    string   // what {base_url} stood for at login, or ""
	Hosts      []string // the host rules the credential is bound to, as written
	Account    string   // who is logged in, as the provider says; may be ""
	ObtainedAt time.Time
	Credential credential.Credential
}

// Status returns what c is good for at now.
func (c Connection) Status(now time.Time) Status {
	if c.Credential.Expired(now) {
		return Expired
	}
	return Connected
}

// String returns PROVIDER/NAME.
func (c Connection) String() string { return c.Provider + "/" + c.Name }

// bound reports whether the credential was logged in for the host rule.
func (c Connection) bound(rule string) bool { return slices.Contains(c.Hosts, rule) }

// pool keeps upstream connections of one credential apart from all others.
func (c Connection) pool() string {
	return fmt.Sprintf("%s/%d", c, c.ObtainedAt.UnixNano())
}

// record is a connection inside the vault.
type record struct {
	Version    int             `json:"version"`
	AuthType   string          `json:"auth_type"`
	BaseURL    string          `json:"base_url,omitempty"`
	Hosts      []string        `json:"hosts"`
	Account    string          `json:"account,omitempty"`
	ObtainedAt time.Time       `json:"obtained_at"`
	Credential json.RawMessage `json:"credential"`
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
	cred, err := credential.Encode(c.Credential)
	if err != nil {
		return nil, err
	}
	return json.Marshal(record{recordVersion, c.AuthType, c.BaseURL, c.Hosts, c.Account, c.ObtainedAt.UTC(), cred})
}

// decodeConnection reads one record. Its errors never quote the content.
func decodeConnection(key string, data []byte) (Connection, error) {
	provider, name, ok := splitKey(key)
	if !ok {
		return Connection{}, ErrRecord
	}
	var r record
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil || r.Version != recordVersion {
		return Connection{}, fmt.Errorf("%s/%s: %w", provider, name, ErrRecord)
	}
	if _, err := d.Token(); err != io.EOF {
		return Connection{}, fmt.Errorf("%s/%s: %w", provider, name, ErrRecord)
	}
	cred, err := credential.Decode(r.Credential)
	if err != nil {
		return Connection{}, fmt.Errorf("%s/%s: %w", provider, name, err)
	}
	return Connection{provider, name, r.AuthType, r.BaseURL, r.Hosts, r.Account, r.ObtainedAt, cred}, nil
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

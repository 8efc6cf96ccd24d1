// Package broker keeps connections: it logs in, keeps credentials fresh,
// chooses the connection a request is meant for, authorizes the request,
// exports, and forgets.
//
// It knows providers as data and the vault as a place for records. It knows
// nothing of proxies, terminals or environment variables: whoever calls it
// hands in an http.Request or a login.UI.
//
// An attacker is the child that builds the requests. It can pick any host,
// path, header and placeholder, and must not thereby get a credential onto a
// request for another host than the one the credential was logged in for.
// Whatever the broker can't decide it refuses.
package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"authsome/internal/audit"
	"authsome/internal/login"
	"authsome/internal/provider"
	"authsome/internal/secret"
	"authsome/internal/vault"
)

// Errors callers tell apart.
var (
	ErrName  = errors.New("invalid name")               // see CheckName
	ErrAudit = errors.New("audit log can't be written") // the use or change did not happen
)

// NotConnected is the error for a connection that does not exist.
type NotConnected struct {
	Provider string
	Name     string // "" when the provider has no connection at all
}

func (e *NotConnected) Error() string {
	if e.Name == "" {
		return fmt.Sprintf("%s is not connected", e.Provider)
	}
	return fmt.Sprintf("%s has no connection %q", e.Provider, e.Name)
}

// NoDefault is the error for a provider with several connections of which
// none is the default.
type NoDefault struct {
	Provider string
	Names    []string
}

func (e *NoDefault) Error() string {
	return fmt.Sprintf("%s has the connections %s and none is the default", e.Provider, joinNames(e.Names))
}

// Config is what a Broker works on. All fields are required, Network for OAuth
// only.
type Config struct {
	Open    func(context.Context) (*vault.Vault, error) // the existing vault; vault.ErrNoVault when there is none yet
	Create  func(context.Context) (*vault.Vault, error) // the same, making one when there is none yet
	Audit   func() (*audit.Log, error)                  // opens the audit log, making it when there is none yet
	Catalog *provider.Registry
	Network login.Network
	Profile string

	// Fetch asks a source for its values, by field. Its errors hold none of
	// them. Nil: there are no sources.
	Fetch func(context.Context, Source) (map[string]secret.Text, error)
}

// Broker is the use cases of one profile. Vault and audit log are opened by
// the first call that needs them, and once. It is safe for concurrent use.
type Broker struct {
	config    Config
	refreshes *refreshes
	sources   sources

	mu    sync.Mutex // guards the fields below
	vault *vault.Vault
	audit *audit.Log
}

// New returns the broker of a profile. The audit log can't be left out: every
// use and every change is written to it.
func New(c Config) (*Broker, error) {
	if c.Open == nil || c.Create == nil || c.Audit == nil || c.Catalog == nil {
		return nil, errors.New("broker: incomplete configuration")
	}
	if err := CheckName(c.Profile); err != nil {
		return nil, fmt.Errorf("profile: %w", err)
	}
	return &Broker{config: c, refreshes: newRefreshes()}, nil
}

// Close waits a moment for refreshes under way and ends the audit log. The
// broker can't be used afterwards.
func (b *Broker) Close() error {
	b.refreshes.close()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.audit == nil {
		return nil
	}
	return b.audit.Close()
}

// opened returns the vault, nil when there is none yet.
func (b *Broker) opened(ctx context.Context) (*vault.Vault, error) {
	v, err := b.openWith(ctx, b.config.Open)
	if errors.Is(err, vault.ErrNoVault) {
		return nil, nil
	}
	return v, err
}

func (b *Broker) openWith(ctx context.Context, open func(context.Context) (*vault.Vault, error)) (*vault.Vault, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.vault != nil {
		return b.vault, nil
	}
	v, err := open(ctx)
	if err != nil {
		return nil, err
	}
	b.vault = v
	return v, nil
}

// get reads one record; vault.ErrNotFound also when there is no vault.
func (b *Broker) get(ctx context.Context, key string) ([]byte, error) {
	v, err := b.opened(ctx)
	if err != nil {
		return nil, err
	}
	if v == nil {
		return nil, vault.ErrNotFound
	}
	return v.Get(ctx, b.config.Profile, key)
}

// put writes one record, making the vault when there is none yet.
func (b *Broker) put(ctx context.Context, key string, data []byte) error {
	v, err := b.openWith(ctx, b.config.Create)
	if err != nil {
		return err
	}
	return v.Put(ctx, b.config.Profile, key, data)
}

// remove forgets one record; one that is not there is no error.
func (b *Broker) remove(ctx context.Context, key string) error {
	v, err := b.opened(ctx)
	if err != nil || v == nil {
		return err
	}
	if err := v.Delete(ctx, b.config.Profile, key); !errors.Is(err, vault.ErrNotFound) {
		return err
	}
	return nil
}

// record writes one line to the audit log. Whoever gets an error must not go
// on with what the line was about.
func (b *Broker) record(e audit.Entry) error {
	log, err := b.auditLog()
	if err != nil {
		return err
	}
	e.Profile = b.config.Profile
	if _, err := log.Append(e); err != nil {
		return fmt.Errorf("%w: %w", ErrAudit, err)
	}
	return nil
}

func (b *Broker) auditLog() (*audit.Log, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.audit != nil {
		return b.audit, nil
	}
	log, err := b.config.Audit()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAudit, err)
	}
	b.audit = log
	return log, nil
}

func defaultKey(provider string) string { return "default/" + provider }

// defaultRecord is the choice `authsome default` made.
type defaultRecord struct {
	Connection string `json:"connection"`
}

// Default returns the name of the provider's default connection among all
// connections: the one that was chosen, else the one named "default", else
// the only one. The errors are those of Connection.
func (b *Broker) Default(ctx context.Context, provider string, all []Connection) (string, error) {
	var names []string
	for _, c := range all {
		if c.Provider == provider {
			names = append(names, c.Name)
		}
	}
	if len(names) == 0 {
		return "", &NotConnected{Provider: provider}
	}
	chosen, err := b.chosenDefault(ctx, provider)
	switch {
	case err != nil:
		return "", err
	case slices.Contains(names, chosen):
		return chosen, nil
	case slices.Contains(names, DefaultName):
		return DefaultName, nil
	case len(names) == 1:
		return names[0], nil
	}
	return "", &NoDefault{provider, names}
}

func (b *Broker) chosenDefault(ctx context.Context, provider string) (string, error) {
	data, err := b.get(ctx, defaultKey(provider))
	if errors.Is(err, vault.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("default of %s: %w", provider, err)
	}
	var r defaultRecord
	if err := json.Unmarshal(data, &r); err != nil {
		return "", fmt.Errorf("default of %s: %w", provider, ErrRecord)
	}
	return r.Connection, nil
}

// SetDefault makes an existing connection its provider's default.
func (b *Broker) SetDefault(ctx context.Context, provider, name string) error {
	if _, err := b.config.Catalog.Get(provider); err != nil {
		return err
	}
	if _, err := b.named(ctx, provider, name); err != nil {
		return err
	}
	data, err := json.Marshal(defaultRecord{name})
	if err != nil {
		return err
	}
	if err := b.record(audit.Entry{Event: audit.Default, Provider: provider, Connection: name}); err != nil {
		return err
	}
	return b.put(ctx, defaultKey(provider), data)
}

// Remove forgets a custom provider with its connections in this profile. For
// a definition that overrides a bundled one the bundled one shows again. A
// *RemoteError does not keep it from doing so.
func (b *Broker) Remove(ctx context.Context, name string) ([]Connection, error) {
	if err := b.config.Catalog.Removable(name); err != nil {
		return nil, err
	}
	gone, err := b.Revoke(ctx, name)
	var remote *RemoteError
	if err != nil && !errors.As(err, &remote) {
		return gone, err
	}
	if err := b.record(audit.Entry{Event: audit.Remove, Provider: name}); err != nil {
		return gone, err
	}
	return gone, errors.Join(err, b.config.Catalog.Remove(name))
}

// Register adds a custom provider.
func (b *Broker) Register(data []byte, force bool) (*provider.Definition, error) {
	def, unknown, err := provider.Parse(data)
	if err != nil {
		return nil, err
	}
	if len(unknown) > 0 {
		return nil, &provider.Invalid{Problems: unknown}
	}
	if err := b.record(audit.Entry{Event: audit.Register, Provider: def.Name}); err != nil {
		return nil, err
	}
	return b.config.Catalog.Register(data, force)
}

// now is the wall clock; tests run in a testing/synctest bubble.
func now() time.Time { return time.Now() }

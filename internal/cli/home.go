package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"authsome/internal/audit"
	"authsome/internal/broker"
	"authsome/internal/provider"
	"authsome/internal/secret"
	"authsome/internal/vault"
)

// masterKeyVariable may hold the vault's key.
const masterKeyVariable = "AUTHSOME_MASTER_KEY"

// errHome is wrapped by errors about the home folder.
var errHome = errors.New("home folder")

// home is the folder everything is kept in.
type home string

func (h home) vault() string     { return filepath.Join(string(h), "vault") }
func (h home) keyFile() string   { return filepath.Join(string(h), "vault.key") }
func (h home) providers() string { return filepath.Join(string(h), "providers") }
func (h home) auditLog() string  { return filepath.Join(string(h), "audit.log") }

// home finds the home folder and makes sure that nobody else can get at it.
// It need not exist yet.
func (a *app) home() (home, error) {
	dir := a.getenv("AUTHSOME_HOME")
	if dir == "" {
		user := a.getenv(homeVariable)
		if user == "" {
			return "", fmt.Errorf("%w: neither %s nor AUTHSOME_HOME is set", errHome, homeVariable)
		}
		dir = filepath.Join(user, ".authsome")
	}
	if !filepath.IsAbs(dir) {
		return "", fmt.Errorf("%w: AUTHSOME_HOME is %q; it has to be an absolute path", errHome, dir)
	}
	h := home(filepath.Clean(dir))
	if filepath.Dir(string(h)) == string(h) {
		return "", fmt.Errorf("%w: %s can't be it", errHome, h)
	}
	return h, checkHome(string(h))
}

func checkHome(dir string) error {
	info, err := os.Stat(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", errHome, err)
	case !info.IsDir():
		return fmt.Errorf("%w: %s is not a folder", errHome, dir)
	case !ownedByUs(info):
		return fmt.Errorf("%w: %s belongs to another user", errHome, dir)
	case openToOthers(info):
		return &hinted{fmt.Errorf("%w: others may enter %s (mode %04o)", errHome, dir, info.Mode().Perm()), "chmod 700 " + dir}
	}
	return nil
}

// make creates the home folder.
func (h home) make() error {
	if err := os.MkdirAll(string(h), 0o700); err != nil {
		return fmt.Errorf("%w: %w", errHome, err)
	}
	return nil
}

// profileName returns the profile in use.
func (a *app) profileName() string {
	for _, name := range []string{a.profile, a.getenv("AUTHSOME_PROFILE")} {
		if name != "" {
			return name
		}
	}
	return broker.DefaultName
}

// vaultOptions say where the vault is and how its key is kept.
func (a *app) vaultOptions(h home) vault.Options {
	return vault.Options{
		Dir:        h.vault(),
		KeyFile:    h.keyFile(),
		MasterKey:  secret.New(a.getenv(masterKeyVariable)),
		SessionBus: a.getenv("DBUS_SESSION_BUS_ADDRESS"),
		Ask:        a.askVault,
		Tell:       func(message string) { a.notice("%s", message) },
	}
}

// broker wires vault, providers and audit log of the home folder. None is
// opened before it is needed.
func (a *app) broker() (*broker.Broker, *provider.Registry, error) {
	return a.brokerOf(a.profileName())
}

// connection returns a stored connection of a known provider, and the broker to
// close; name "" is the provider's default one.
func (a *app) connection(ctx context.Context, providerName, name string) (*broker.Broker, broker.Connection, error) {
	b, registry, err := a.broker()
	if err != nil {
		return nil, broker.Connection{}, err
	}
	var conn broker.Connection
	if _, err = registry.Get(providerName); err == nil {
		conn, err = b.Connection(ctx, providerName, name)
	}
	if err != nil {
		_ = b.Close() // nothing was written
		return nil, broker.Connection{}, err
	}
	return b, conn, nil
}

// brokerOf is broker for a profile other than the one in use.
func (a *app) brokerOf(profile string) (*broker.Broker, *provider.Registry, error) {
	h, err := a.home()
	if err != nil {
		return nil, nil, err
	}
	registry, err := a.registry(h)
	if err != nil {
		return nil, nil, err
	}
	a.warnForeignHome(h)
	b, err := broker.New(broker.Config{
		Open:    func(ctx context.Context) (*vault.Vault, error) { return a.openVault(ctx, h) },
		Create:  func(ctx context.Context) (*vault.Vault, error) { return a.createVault(ctx, h) },
		Audit:   func() (*audit.Log, error) { return openAudit(h) },
		Catalog: registry,
		Profile: profile,
		Network: a.network(),
		Fetch:   a.fetch,
	})
	return b, registry, err
}

func openAudit(h home) (*audit.Log, error) {
	if err := h.make(); err != nil {
		return nil, err
	}
	log, err := audit.Open(h.auditLog())
	if info, statErr := os.Lstat(h.auditLog()); errors.Is(err, audit.ErrUnsafe) && statErr == nil && info.Mode().IsRegular() && openToOthers(info) {
		err = &hinted{err, "chmod 600 " + h.auditLog()}
	}
	return log, err
}

// openVault opens the vault, once: its key may be behind a question.
func (a *app) openVault(ctx context.Context, h home) (*vault.Vault, error) {
	a.vaultMu.Lock()
	defer a.vaultMu.Unlock()
	if a.vault != nil {
		return a.vault, nil
	}
	v, err := vault.Open(ctx, a.vaultOptions(h))
	if err == nil {
		a.vault = v
	}
	return v, err
}

// createVault opens the vault, making it the first time, and tells where its
// key went.
func (a *app) createVault(ctx context.Context, h home) (*vault.Vault, error) {
	if v, err := a.openVault(ctx, h); !errors.Is(err, vault.ErrNoVault) {
		return v, err
	}
	if err := h.make(); err != nil {
		return nil, err
	}
	a.vaultMu.Lock()
	defer a.vaultMu.Unlock()
	v, err := vault.OpenOrCreate(ctx, a.vaultOptions(h))
	if err != nil {
		return nil, err
	}
	a.vault = v
	if !v.Created() {
		return v, nil
	}
	_, where := v.Source()
	a.notice("New vault in %s; its key is kept in: %s", h.vault(), where)
	if v.Fallback() != nil {
		a.notice("(The OS keyring was not used: %v)", v.Fallback())
	}
	return v, nil
}

func (a *app) registry(h home) (*provider.Registry, error) {
	registry, warnings, err := provider.Load(h.providers())
	a.warnDefinitions(warnings)
	return registry, err
}

// warnDefinitions names what is wrong with custom definitions, each thing once.
func (a *app) warnDefinitions(warnings []error) {
	for _, w := range warnings {
		if text := w.Error(); !slices.Contains(a.definitionsWarned, text) {
			a.definitionsWarned = append(a.definitionsWarned, text)
			a.warn("%s", text)
		}
	}
}

// warnForeignHome tells when AUTHSOME_HOME lies in the working folder: a
// repository's .env or direnv file may have set it.
func (a *app) warnForeignHome(h home) {
	if a.getenv("AUTHSOME_HOME") == "" || string(h) == filepath.Join(a.getenv(homeVariable), ".authsome") {
		return
	}
	dir, err := os.Getwd()
	if err == nil && dir != "/" && strings.HasPrefix(string(h)+"/", filepath.Clean(dir)+"/") {
		a.warn("AUTHSOME_HOME is %s, inside the working folder; did you set it yourself?", h)
	}
}

package vault_test

import (
	"encoding/base64"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zalando/go-keyring"

	"authsome/internal/secret"
	"authsome/internal/vault"
	"authsome/internal/vault/vaulttest"
)

// session is a session bus address that is set, so that only the keyring's own
// answer counts.
const session = "unix:path=/nonexistent/authsome-test-bus"

func TestKeyringSource(t *testing.T) {
	keyring.MockInit()
	vaulttest.KeySource(t, func(t *testing.T) func() vault.KeySource {
		id := strings.ReplaceAll(t.Name(), "/", "-") + time.Now().String()
		return func() vault.KeySource { return vault.KeyringSource(id, session) }
	})
}

// ringed is a vault whose key is in the mock keyring, and its account there.
func ringed(t *testing.T) (vault.Options, string) {
	t.Helper()
	keyring.MockInit()
	o := options(t)
	o.Source, o.SessionBus = vault.SourceAuto, session
	v := create(t, o)
	put(t, v, "p", "k", "data")
	name, description := v.Source()
	_, account, ok := strings.Cut(strings.TrimSuffix(description, ")"), "account ")
	if name != vault.SourceKeyring || !ok || v.Fallback() != nil {
		t.Fatalf("source %s, %s, fallback %v", name, description, v.Fallback())
	}
	return o, account
}

func noKeyFile(t *testing.T, o vault.Options) {
	t.Helper()
	if _, err := os.Lstat(o.KeyFile); !os.IsNotExist(err) {
		t.Errorf("a key file appeared: %v", err)
	}
}

func TestVault_V012_keyring(t *testing.T) {
	o, account := ringed(t)
	noKeyFile(t, o)
	v, err := vault.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	wantData(t, v, "p", "k", "data")
	o2, account2 := ringed(t) // a new keyring, where the first vault has no entry
	if account == account2 {
		t.Error("two homes share a keyring entry")
	}
	for _, c := range []struct {
		name  string
		value string // "" removes the entry
		want  error
	}{
		{"entry missing", "", vault.ErrKeyMissing},
		{"another key", base64.StdEncoding.EncodeToString(make([]byte, 32)), vault.ErrWrongKey},
		{"another value", canary, vault.ErrKeyFormat},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := keyring.Set("authsome", account2, c.value); err != nil {
				t.Fatal(err)
			}
			if c.value == "" {
				keyring.MockInit()
			}
			cannotOpen(t, o2, c.want, account2)
			noKeyFile(t, o2)
		})
	}
	t.Run("denied", func(t *testing.T) {
		keyring.MockInitWithError(errors.New("access denied"))
		o2.MasterKey = masterKey('k', base64.StdEncoding) // is no way round
		cannotOpen(t, o2, vault.ErrKeyring, "access denied")
		noKeyFile(t, o2)
	})
}

func TestAutoFallsBackToFile(t *testing.T) {
	keyring.MockInitWithError(errors.New("no such service"))
	o := options(t)
	o.Source, o.SessionBus = "", session
	v := create(t, o)
	if name, description := v.Source(); name != vault.SourceFile || description != "file "+o.KeyFile {
		t.Errorf("source %s, %s", name, description)
	}
	wantErr(t, v.Fallback(), vault.ErrKeyring)
	v, err := vault.Open(t.Context(), o)
	if err != nil || v.Fallback() != nil {
		t.Errorf("open: %v, fallback %v", err, v.Fallback())
	}
	o = options(t)
	o.Source, o.SessionBus = vault.SourceKeyring, session
	_, err = vault.OpenOrCreate(t.Context(), o)
	wantErr(t, err, vault.ErrKeyring) // asked for by name: no fall back
	noKeyFile(t, o)
}

// V012: the real client against a session bus that accepts and never answers,
// in a process of its own, since what hangs there hangs for good.
func TestVault_V012_hanging_keyring(t *testing.T) {
	if home, ok := childOf(t); ok {
		hangingKeyring(t, home)
		return
	}
	o, _ := ringed(t)
	socket := filepath.Join(t.TempDir(), "bus")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	runChild(t, child{Home: filepath.Dir(o.Dir), Env: []string{"DBUS_SESSION_BUS_ADDRESS=unix:path=" + socket}})
	noKeyFile(t, o)
}

func hangingKeyring(t *testing.T, home string) {
	o := vault.Options{Dir: filepath.Join(home, "vault"), KeyFile: filepath.Join(home, "vault.key"), SessionBus: os.Getenv("DBUS_SESSION_BUS_ADDRESS")}
	start := time.Now()
	_, err := vault.Open(t.Context(), o)
	wantErr(t, err, vault.ErrKeyring)
	if took := time.Since(start); took > 5*time.Second || took < time.Second {
		t.Errorf("a hanging keyring took %v", took)
	}
	fresh := options(t)
	fresh.Source, fresh.SessionBus = vault.SourceAuto, o.SessionBus
	start = time.Now()
	v := create(t, fresh)
	if name, _ := v.Source(); name != vault.SourceFile {
		t.Errorf("source %s", name)
	}
	wantErr(t, v.Fallback(), vault.ErrKeyring)
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("creation took %v", took)
	}
}

// V012: no bus at all is known at once, by the real client too.
func TestVault_V012_absent_keyring(t *testing.T) {
	if home, ok := childOf(t); ok {
		o := vault.Options{Dir: filepath.Join(home, "vault"), KeyFile: filepath.Join(home, "vault.key"), SessionBus: session}
		start := time.Now()
		_, err := vault.Open(t.Context(), o)
		wantErr(t, err, vault.ErrKeyring)
		if took := time.Since(start); took > time.Second {
			t.Errorf("an absent keyring took %v", took)
		}
		return
	}
	o, _ := ringed(t)
	runChild(t, child{Home: filepath.Dir(o.Dir), Env: []string{"DBUS_SESSION_BUS_ADDRESS=" + session}})
	noKeyFile(t, o)
}

func TestEnvSource(t *testing.T) {
	source := vault.EnvSource(secret.Text{})
	_, err := source.Create(t.Context())
	wantErr(t, err, vault.ErrKeyMissing)
	_, err = source.Load(t.Context())
	wantErr(t, err, vault.ErrKeyMissing)
	source = vault.EnvSource(masterKey('k', base64.StdEncoding))
	a, err := source.Create(t.Context())
	wantErr(t, err, nil)
	b, err := source.Load(t.Context())
	wantErr(t, err, nil)
	if len(b) != 1 || !a.Equal(b[0]) || !a.Equal(secret.New(strings.Repeat("k", 32))) {
		t.Error("the key is not the one given")
	}
}

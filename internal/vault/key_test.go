package vault_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"authsome/internal/secret"
	"authsome/internal/vault"
	"authsome/internal/vault/vaulttest"
)

func openers() []func(context.Context, vault.Options) (*vault.Vault, error) {
	return []func(context.Context, vault.Options) (*vault.Vault, error){vault.Open, vault.OpenOrCreate}
}

func TestFileSource(t *testing.T) {
	vaulttest.KeySource(t, func(t *testing.T) func() vault.KeySource {
		path := filepath.Join(t.TempDir(), "home", "vault.key")
		return func() vault.KeySource { return vault.FileSource(path) }
	})
}

func TestVault_V010_key_file(t *testing.T) {
	other := options(t)
	create(t, other)
	foreign, err := os.ReadFile(other.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		change func([]byte) []byte
		want   error
	}{
		{"of another vault", constant(string(foreign)), vault.ErrWrongKey},
		{"one character", func(b []byte) []byte {
			if b[20] == 'A' {
				b[20] = 'B'
			} else {
				b[20] = 'A'
			}
			return b
		}, vault.ErrWrongKey},
		{"0 bytes", constant(""), vault.ErrKeyFormat},
		{"truncated by one", func(b []byte) []byte { return b[:len(b)-1] }, vault.ErrKeyFormat},
		{"truncated", func(b []byte) []byte { return b[:30] }, vault.ErrKeyFormat},
		{"magic only", constant("authsome-key 1"), vault.ErrKeyFormat},
		{"no key", constant("authsome-key 1\n"), vault.ErrKeyFormat},
		{"extra byte", func(b []byte) []byte { return append(b, '\n') }, vault.ErrKeyFormat},
		{"extra space", replace(" 1\n", " 1\n "), vault.ErrKeyFormat},
		{"huge", func(b []byte) []byte { return append(b, make([]byte, 1<<22)...) }, vault.ErrKeyFormat},
		{"raw key", constant(strings.Repeat("k", 32)), vault.ErrKeyFormat},
		{"line ends", func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n")) }, vault.ErrKeyFormat},
		{"V014_newer", replace(" 1\n", " 2\n"), vault.ErrNewerFormat},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := options(t)
			put(t, create(t, o), "p", "k", "data")
			edit(t, o.KeyFile, c.change)
			cannotOpen(t, o, c.want, o.KeyFile)
			o.Source = vault.SourceAuto
			cannotOpen(t, o, c.want, o.KeyFile)
		})
	}
}

func TestVault_V011_key_missing(t *testing.T) {
	o := options(t)
	put(t, create(t, o), "p", "k", "data")
	if err := os.Remove(o.KeyFile); err != nil {
		t.Fatal(err)
	}
	cannotOpen(t, o, vault.ErrKeyMissing, o.KeyFile)
	o.Source = vault.SourceAuto
	o.MasterKey = masterKey('k', base64.StdEncoding)
	cannotOpen(t, o, vault.ErrKeyMissing, o.KeyFile)
}

// A key file without a vault is a creation that was interrupted, and is taken up.
func TestKeyFileWithoutVault(t *testing.T) {
	first, o := options(t), options(t)
	create(t, first)
	data, err := os.ReadFile(first.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Dir(o.KeyFile), 0o700); err != nil {
		t.Fatal(err)
	}
	write := func(s string) {
		if err := os.WriteFile(o.KeyFile, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, source := range []string{vault.SourceFile, vault.SourceAuto} {
		o.Source = source
		write("rubbish")
		_, err = vault.OpenOrCreate(t.Context(), o)
		wantErr(t, err, vault.ErrKeyFormat)
	}
	write(string(data))
	v := create(t, o)
	if name, _ := v.Source(); name != vault.SourceFile || !v.Created() {
		t.Errorf("source %s, created %v", name, v.Created())
	}
	after, err := os.ReadFile(o.KeyFile)
	if err != nil || !bytes.Equal(data, after) {
		t.Errorf("the key file was replaced (%v)", err)
	}
}

func masterKey(b byte, e *base64.Encoding) secret.Text {
	return secret.New(e.EncodeToString(bytes.Repeat([]byte{b}, 32)))
}

func TestVault_V010_master_key(t *testing.T) {
	o := options(t)
	o.Source, o.MasterKey = vault.SourceAuto, masterKey(0xfb, base64.StdEncoding)
	v := create(t, o)
	put(t, v, "p", "k", "data")
	if name, description := v.Source(); name != "env" || description != "AUTHSOME_MASTER_KEY" {
		t.Errorf("source %s, %s", name, description)
	}
	for _, e := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		o.MasterKey = masterKey(0xfb, e)
		v, err := vault.Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		wantData(t, v, "p", "k", "data")
	}
	for _, c := range []struct {
		name  string
		value secret.Text
		want  error
	}{
		{"wrong", masterKey(0xfc, base64.StdEncoding), vault.ErrWrongKey},
		{"unset", secret.Text{}, vault.ErrKeyMissing},
		{"short", secret.New(canary), vault.ErrKeyFormat},
		{"long", secret.New(strings.Repeat("k", 64)), vault.ErrKeyFormat},
		{"not base64", secret.New(strings.Repeat("%", 44)), vault.ErrKeyFormat},
		{"blank", secret.New(" "), vault.ErrKeyFormat},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := o
			o.MasterKey = c.value
			cannotOpen(t, o, c.want, "AUTHSOME_MASTER_KEY")
			if _, err := os.Lstat(o.KeyFile); !os.IsNotExist(err) {
				t.Errorf("a key file appeared: %v", err)
			}
		})
	}
}

func TestUnknownSource(t *testing.T) {
	o := options(t)
	o.Source = "tpm"
	_, err := vault.OpenOrCreate(t.Context(), o)
	wantErr(t, err, vault.ErrSource)
	_, err = vault.Open(t.Context(), o)
	wantErr(t, err, vault.ErrNoVault)
}

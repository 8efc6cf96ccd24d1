package vault_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"authsome/internal/vault"
)

func edit(t testing.TB, path string, change func([]byte) []byte) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, change(data), 0o600); err != nil {
		t.Fatal(err)
	}
}

func set(at int, b byte) func([]byte) []byte {
	return func(data []byte) []byte { data[at] = b; return data }
}

func replace(old, new string) func([]byte) []byte {
	return func(data []byte) []byte { return bytes.Replace(data, []byte(old), []byte(new), 1) }
}

func constant(s string) func([]byte) []byte { return func([]byte) []byte { return []byte(s) } }

// Every damage to one record has its own error, changes nothing, and hides no
// other record.
func TestRecordTampering(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func([]byte) []byte
		want   error
	}{
		{"V014_newer format", set(8, 2), vault.ErrNewerFormat},
		{"V016_unknown algorithm", set(9, 9), vault.ErrUnknownAlgorithm},
		{"V016_algorithm none", set(9, 0), vault.ErrUnknownAlgorithm},
		{"format zero", set(8, 0), vault.ErrDamaged},
		{"magic", set(0, 'A'), vault.ErrDamaged},
		{"vault id", func(b []byte) []byte { b[10] ^= 1; return b }, vault.ErrSwapped},
		{"name", func(b []byte) []byte { b[26] ^= 1; return b }, vault.ErrSwapped},
		{"nonce", func(b []byte) []byte { b[60] ^= 1; return b }, vault.ErrDamaged},
		{"ciphertext", func(b []byte) []byte { b[100] ^= 1; return b }, vault.ErrDamaged},
		{"tag", func(b []byte) []byte { b[len(b)-1] ^= 1; return b }, vault.ErrDamaged},
		{"empty", constant(""), vault.ErrDamaged},
		{"magic only", constant("authsome"), vault.ErrDamaged},
		{"cut in the preamble", func(b []byte) []byte { return b[:30] }, vault.ErrDamaged},
		{"cut by one", func(b []byte) []byte { return b[:len(b)-1] }, vault.ErrDamaged},
		{"one too many", func(b []byte) []byte { return append(b, 0) }, vault.ErrDamaged},
		{"all zeros", func(b []byte) []byte { return make([]byte, len(b)) }, vault.ErrDamaged},
		{"huge", func(b []byte) []byte { return make([]byte, 5<<20) }, vault.ErrTooLarge},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := options(t)
			v := create(t, o)
			put(t, v, "p", "bad", canary)
			put(t, v, "p", "good", "good")
			path := filepath.Join(o.Dir, v.FileName("p", "bad"))
			edit(t, path, c.change)
			badRecord(t, o, path, c.want)
		})
	}
}

func badRecord(t *testing.T, o vault.Options, path string, want error) {
	t.Helper()
	v, ctx := create(t, o), t.Context()
	before := files(t, o.Dir)
	_, err := v.Get(ctx, "p", "bad")
	wantErr(t, err, want)
	if err != nil && !strings.Contains(err.Error(), path) {
		t.Errorf("error does not name the file: %v", err)
	}
	records, err := v.List(ctx, "p", "")
	wantErr(t, err, want)
	if diff := cmp.Diff([]vault.Record{{Key: "good", Data: []byte("good")}}, records); diff != "" {
		t.Errorf("List (-want +got):\n%s", diff)
	}
	wantErr(t, v.Update(ctx, "p", "bad", func([]byte) ([]byte, error) {
		t.Error("f was called")
		return nil, errStop
	}), want)
	unchanged(t, before, o.Dir)
	// The way out.
	wantErr(t, v.Put(ctx, "p", "bad", []byte("new")), nil)
	wantData(t, v, "p", "bad", "new")
}

func TestSwappedRecords(t *testing.T) {
	o, o2 := options(t), options(t)
	v, v2 := create(t, o), create(t, o2)
	file := func(o vault.Options, v *vault.Vault, key string) string {
		return filepath.Join(o.Dir, v.FileName("p", key))
	}
	for _, v := range []*vault.Vault{v, v2} {
		put(t, v, "p", "bad", "bad")
		put(t, v, "p", "good", "good")
	}
	copyFile := func(from, to string) {
		data, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		edit(t, to, constant(string(data)))
	}
	t.Run("copied over another", func(t *testing.T) {
		copyFile(file(o, v, "good"), file(o, v, "bad"))
		badRecord(t, o, file(o, v, "bad"), vault.ErrSwapped)
	})
	t.Run("of another vault", func(t *testing.T) {
		copyFile(file(o2, v2, "bad"), file(o, v, "bad"))
		badRecord(t, o, file(o, v, "bad"), vault.ErrSwapped)
	})
	t.Run("relabelled", func(t *testing.T) {
		put(t, v, "p", "bad", "bad")
		good, bad := file(o, v, "good"), file(o, v, "bad")
		name, err := os.ReadFile(bad)
		if err != nil {
			t.Fatal(err)
		}
		copyFile(good, bad)
		edit(t, bad, func(b []byte) []byte { copy(b[26:58], name[26:58]); return b })
		badRecord(t, o, bad, vault.ErrDamaged)
	})
}

func TestHeaderTampering(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func([]byte) []byte
		want   error
	}{
		{"V014_newer format", replace("authsome-vault 1", "authsome-vault 2"), vault.ErrNewerFormat},
		{"V014_newer format of another shape", constant("authsome-vault 12\n{}"), vault.ErrNewerFormat},
		{"V016_algorithm unknown", replace("xchacha20-poly1305", "rot13"), vault.ErrUnknownAlgorithm},
		{"V016_algorithm none", replace("xchacha20-poly1305", "none"), vault.ErrUnknownAlgorithm},
		{"V016_algorithm empty", replace("xchacha20-poly1305", ""), vault.ErrUnknownAlgorithm},
		{"source", replace("source file", "source env"), vault.ErrDamaged},
		{"id", func(b []byte) []byte { b[25] ^= 1; return b }, vault.ErrDamaged},
		{"key", func(b []byte) []byte { b[100] ^= 1; return b }, vault.ErrDamaged},
		{"line ends", func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n")) }, vault.ErrDamaged},
		{"empty", constant(""), vault.ErrDamaged},
		{"cut", func(b []byte) []byte { return b[:len(b)-1] }, vault.ErrDamaged},
		{"more", func(b []byte) []byte { return append(b, '\n') }, vault.ErrDamaged},
		{"unknown field", replace("source", "extra x\nsource"), vault.ErrDamaged},
		{"format 0", replace("authsome-vault 1", "authsome-vault 0"), vault.ErrDamaged},
		{"format 01", replace("authsome-vault 1", "authsome-vault 01"), vault.ErrDamaged},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := options(t)
			put(t, create(t, o), "p", "k", "data")
			path := filepath.Join(o.Dir, "header")
			edit(t, path, c.change)
			cannotOpen(t, o, c.want, path)
		})
	}
}

// cannotOpen checks that neither way of opening works, nor changes anything.
func cannotOpen(t *testing.T, o vault.Options, want error, named string) {
	t.Helper()
	before := files(t, filepath.Dir(o.Dir))
	for _, open := range openers() {
		_, err := open(t.Context(), o)
		wantErr(t, err, want)
		if err != nil && !strings.Contains(err.Error(), named) {
			t.Errorf("error does not name %s: %v", named, err)
		}
	}
	unchanged(t, before, filepath.Dir(o.Dir))
}

func TestHeaderMissing(t *testing.T) {
	o := options(t)
	put(t, create(t, o), "p", "k", "data")
	path := filepath.Join(o.Dir, "header")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	cannotOpen(t, o, vault.ErrDamaged, path)
}

package vault_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"
	"github.com/zalando/go-keyring"

	"authsome/internal/secret"
	"authsome/internal/vault"
)

const passphrase = canary + "correct horse"

// asks answers with one passphrase.
func asks(answer string) func(context.Context, string) (secret.Text, error) {
	return func(context.Context, string) (secret.Text, error) { return secret.New(answer), nil }
}

// identityFile is an age identity in a private file.
func identityFile(t testing.TB) string {
	t.Helper()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "identity.txt")
	if err := os.WriteFile(path, []byte("# a comment\n\n"+identity.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// furnished has records in two profiles.
func furnished(t testing.TB, v *vault.Vault) map[string]string {
	t.Helper()
	want := map[string]string{}
	for i := range 6 {
		profile, key, data := fmt.Sprint("p", i%2), fmt.Sprint("k", i), canary+strings.Repeat("x", i*300)
		put(t, v, profile, key, data)
		want[profile+"/"+key] = data
	}
	return want
}

func contentsOf(t testing.TB, v *vault.Vault) map[string]string {
	t.Helper()
	entries, err := v.Entries(t.Context())
	wantErr(t, err, nil)
	got := map[string]string{}
	for _, e := range entries {
		got[e.Profile+"/"+e.Key] = string(e.Data)
	}
	return got
}

// wantContents checks the vault as it is open, and as it opens anew.
func wantContents(t testing.TB, v *vault.Vault, o vault.Options, want map[string]string) {
	t.Helper()
	if diff := cmp.Diff(want, contentsOf(t, v)); diff != "" {
		t.Errorf("the vault that was open (-want +got):\n%s", diff)
	}
	again, err := vault.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, contentsOf(t, again)); diff != "" {
		t.Errorf("opened anew (-want +got):\n%s", diff)
	}
}

// recordFiles counts what is in the folder beside header and dot files.
func recordFiles(t testing.TB, o vault.Options) int {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(o.Dir, "[0-9a-f]*"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, name := range names {
		if len(filepath.Base(name)) == 64 {
			n++
		}
	}
	return n
}

// A vault goes from every key source to every other, an open one follows, and
// what was copied before opens nothing of what is there after.
func TestRekey(t *testing.T) {
	keyring.MockInit()
	identity := identityFile(t)
	changes := map[string]vault.Change{
		vault.SourceFile:       {Source: vault.SourceFile},
		vault.SourceKeyring:    {Source: vault.SourceKeyring},
		vault.SourceEnv:        {Source: vault.SourceEnv, Key: masterKey('n', base64.StdEncoding)},
		vault.SourcePassphrase: {Source: vault.SourcePassphrase, Passphrase: secret.New(passphrase)},
		vault.SourceAge:        {Source: vault.SourceAge, Identity: identity},
	}
	o := options(t)
	o.SessionBus, o.Ask, o.MasterKey = session, asks(passphrase), masterKey('n', base64.StdEncoding)
	v := create(t, o)
	want := furnished(t, v)
	from := vault.SourceFile
	for _, to := range []string{
		vault.SourceFile, vault.SourceKeyring, vault.SourceKeyring, vault.SourceFile, vault.SourceEnv, vault.SourceEnv, vault.SourceAge,
		vault.SourceAge, vault.SourceKeyring, vault.SourcePassphrase, vault.SourcePassphrase, vault.SourceFile,
	} {
		t.Run(from+" to "+to, func(t *testing.T) { rekeyed(t, o, v, changes[to], want) })
		from = to
	}
}

func rekeyed(t *testing.T, o vault.Options, v *vault.Vault, c vault.Change, want map[string]string) {
	open, err := vault.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	before := copied(t, o)
	wantErr(t, v.Rekey(t.Context(), c), nil)
	if name, _ := v.Source(); name != c.Source {
		t.Errorf("source %s", name)
	}
	wantContents(t, open, o, want)
	if n := recordFiles(t, o); n != len(want) {
		t.Errorf("%d record files, want %d", n, len(want))
	}
	if _, err := os.Lstat(o.KeyFile); (err == nil) != (c.Source == vault.SourceFile) {
		t.Errorf("key file: %v", err)
	}
	oldKeyUseless(t, o, before)
	put(t, open, "p0", "k0", canary)
	wantData(t, v, "p0", "k0", canary)
	put(t, v, "p0", "k0", want["p0/k0"])
}

// copied is a copy of header and key file.
func copied(t *testing.T, o vault.Options) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for _, path := range []string{filepath.Join(o.Dir, "header"), o.KeyFile} {
		if data, err := os.ReadFile(path); err == nil {
			files[path] = data
		}
	}
	return files
}

// oldKeyUseless puts an old header and key file beside the records of now.
func oldKeyUseless(t *testing.T, o vault.Options, old map[string][]byte) {
	t.Helper()
	home := filepath.Join(t.TempDir(), "home")
	if err := copyTree(filepath.Dir(o.Dir), home); err != nil {
		t.Fatal(err)
	}
	for path, data := range old {
		rel, _ := filepath.Rel(filepath.Dir(o.Dir), path)
		if err := os.WriteFile(filepath.Join(home, rel), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o.Dir, o.KeyFile = filepath.Join(home, "vault"), filepath.Join(home, "vault.key")
	v, err := vault.Open(t.Context(), o)
	if err != nil {
		return // the keyring's entry is gone
	}
	entries, err := v.Entries(t.Context())
	if len(entries) > 0 || !errors.Is(err, vault.ErrSwapped) {
		t.Errorf("an old header opens %d new records, error %v", len(entries), err)
	}
}

// What can't be done changes nothing.
func TestRekeyRefused(t *testing.T) {
	keyring.MockInitWithError(errors.New("no such service"))
	for name, c := range map[string]struct {
		change  vault.Change
		prepare func(t *testing.T, o vault.Options, v *vault.Vault)
		want    error
	}{
		"damaged record": {vault.Change{}, func(t *testing.T, o vault.Options, v *vault.Vault) {
			edit(t, filepath.Join(o.Dir, v.FileName("p0", "k0")), func(b []byte) []byte { return b[:len(b)-1] })
		}, vault.ErrDamaged},
		"unknown source":     {vault.Change{Source: "tpm"}, nil, vault.ErrSource},
		"no keyring":         {vault.Change{Source: vault.SourceKeyring}, nil, vault.ErrKeyring},
		"no master key":      {vault.Change{Source: vault.SourceEnv}, nil, vault.ErrKeyMissing},
		"bad master key":     {vault.Change{Source: vault.SourceEnv, Key: secret.New(canary)}, nil, vault.ErrKeyFormat},
		"short passphrase":   {vault.Change{Source: vault.SourcePassphrase, Passphrase: secret.New("seven77")}, nil, vault.ErrKeyFormat},
		"no identity":        {vault.Change{Source: vault.SourceAge}, nil, vault.ErrKeyMissing},
		"identity not there": {vault.Change{Source: vault.SourceAge, Identity: "/nonexistent/identity"}, nil, vault.ErrKeyMissing},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(t)
			o.SessionBus = session
			v := create(t, o)
			furnished(t, v)
			if c.prepare != nil {
				c.prepare(t, o, v)
			}
			before := withoutGeneration(t, o)
			wantErr(t, v.Rekey(t.Context(), c.change), c.want)
			if diff := cmp.Diff(before, withoutGeneration(t, o)); diff != "" {
				t.Errorf("a refused rekey changed files (-before +after):\n%s", diff)
			}
		})
	}
}

// withoutGeneration is all files but the counter and the locks.
func withoutGeneration(t *testing.T, o vault.Options) map[string]string {
	t.Helper()
	all := files(t, home(o))
	for path := range all {
		if filepath.Base(path) == ".generation" || filepath.Base(filepath.Dir(path)) == ".locks" {
			delete(all, path)
		}
	}
	return all
}

// A key file that the vault does not use is not touched.
func TestRekeyForeignKeyFile(t *testing.T) {
	o := options(t)
	o.Source, o.MasterKey = vault.SourceEnv, masterKey('k', base64.StdEncoding)
	v := create(t, o)
	want := furnished(t, v)
	other := options(t)
	create(t, other)
	foreign, err := os.ReadFile(other.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(o.KeyFile, foreign, 0o600); err != nil {
		t.Fatal(err)
	}
	wantErr(t, v.Rekey(t.Context(), vault.Change{Source: vault.SourceFile}), vault.ErrKeyThere)
	if data, err := os.ReadFile(o.KeyFile); err != nil || string(data) != string(foreign) {
		t.Errorf("the key file changed: %v", err)
	}
	wantContents(t, v, o, want)
}

// dying is a store whose process dies at its nth change.
type dying struct {
	vault.Store
	left atomic.Int64
}

var errDead = errors.New("dead")

func (d *dying) alive() error {
	if d.left.Load() < 0 {
		return errDead
	}
	return nil
}

func (d *dying) Get(ctx context.Context, name string) ([]byte, error) {
	if err := d.alive(); err != nil {
		return nil, err
	}
	return d.Store.Get(ctx, name)
}

func (d *dying) Put(ctx context.Context, name string, blob []byte) error {
	if d.left.Add(-1) < 0 {
		return errDead
	}
	return d.Store.Put(ctx, name, blob)
}

func (d *dying) Delete(ctx context.Context, name string) error {
	if d.left.Add(-1) < 0 {
		return errDead
	}
	return d.Store.Delete(ctx, name)
}

func (d *dying) List(ctx context.Context) ([]string, error) {
	if err := d.alive(); err != nil {
		return nil, err
	}
	return d.Store.List(ctx)
}

// V004: a rekey that dies before any one of its steps leaves a vault that opens
// with all its records, and the next look tidies it up.
func TestRekey_V004_every_step(t *testing.T) {
	keyring.MockInit()
	for _, to := range []string{vault.SourceFile, vault.SourceKeyring} {
		finished := false
		for step := int64(0); !finished; step++ {
			if step > 100 {
				t.Fatal("it never finishes")
			}
			o := options(t)
			o.SessionBus = session
			v := create(t, o)
			want := map[string]string{"p/a": "one", "p/b": canary}
			put(t, v, "p", "a", "one")
			put(t, v, "p", "b", canary)
			finished = diesAt(t, o, step, to, want)
		}
	}
}

func diesAt(t *testing.T, o vault.Options, step int64, to string, want map[string]string) (finished bool) {
	t.Helper()
	dir, err := vault.OpenDir(o.Dir)
	if err != nil {
		t.Fatal(err)
	}
	store := &dying{Store: dir}
	store.left.Store(step)
	mortal := o
	mortal.Store = store
	v, err := vault.Open(t.Context(), mortal)
	if err != nil {
		t.Fatal(err)
	}
	err = v.Rekey(t.Context(), vault.Change{Source: to})
	if err != nil {
		wantErr(t, err, errDead)
	}
	after, openErr := vault.Open(t.Context(), o)
	if openErr != nil {
		t.Fatalf("step %d: %v", step, openErr)
	}
	wantContents(t, after, o, want)
	if n := recordFiles(t, o); n != len(want) {
		t.Errorf("step %d: %d record files after a look, want %d", step, n, len(want))
	}
	if step%4 == 0 {
		wantErr(t, after.Rekey(t.Context(), vault.Change{Source: vault.SourceFile}), nil)
		wantContents(t, after, o, want)
	}
	return err == nil
}

// Changes and rekeys in several processes' stead: no change is lost, and no
// reader ever misses a record.
func TestRekeyAndWriters(t *testing.T) {
	o := options(t)
	v := create(t, o)
	const counters, rounds = 3, 15
	for i := range counters {
		put(t, v, "p", fmt.Sprint("k", i), "0")
	}
	var wg sync.WaitGroup
	for i := range counters {
		mine, err := vault.Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() { countUp(t, mine, fmt.Sprint("k", i), counters, rounds) })
	}
	for range 6 {
		wantErr(t, v.Rekey(t.Context(), vault.Change{}), nil)
	}
	wg.Wait()
	for i := range counters {
		wantData(t, v, "p", fmt.Sprint("k", i), strconv.Itoa(rounds))
	}
}

func countUp(t *testing.T, v *vault.Vault, key string, counters, rounds int) {
	for range rounds {
		err := v.Update(t.Context(), "p", key, func(old []byte) ([]byte, error) {
			n, err := strconv.Atoi(string(old))
			return []byte(strconv.Itoa(n + 1)), err
		})
		records, err2 := v.List(t.Context(), "p", "")
		if err != nil || err2 != nil || len(records) != counters {
			t.Errorf("update: %v; list: %d records, %v", err, len(records), err2)
			return
		}
	}
}

func TestReplace(t *testing.T) {
	o := options(t)
	v := create(t, o)
	furnished(t, v)
	edit(t, filepath.Join(o.Dir, v.FileName("p0", "k0")), constant("")) // is in nobody's way
	entries := []vault.Entry{{Profile: "q", Record: vault.Record{Key: "k", Data: []byte(canary)}}}
	wantErr(t, v.Replace(t.Context(), entries), nil)
	again, err := vault.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	got, err := again.Entries(t.Context())
	if diff := cmp.Diff(entries, got); diff != "" {
		t.Errorf("entries (-want +got):\n%s (%v)", diff, err)
	}
	for _, bad := range []vault.Entry{{}, {Profile: "p"}, {Profile: "p", Record: vault.Record{Key: strings.Repeat("k", 2000)}}} {
		wantErr(t, v.Replace(t.Context(), []vault.Entry{bad}), vault.ErrInvalidName)
	}
	wantData(t, v, "q", "k", canary)
}

// A passphrase, master key or identity opens the vault after a Replace as before.
func TestReplaceKeepsKey(t *testing.T) {
	for name, c := range map[string]vault.Change{
		"passphrase": {Source: vault.SourcePassphrase, Passphrase: secret.New(passphrase)},
		"env":        {Source: vault.SourceEnv, Key: masterKey('n', base64.StdEncoding)},
		"age":        {Source: vault.SourceAge, Identity: identityFile(t)},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(t)
			o.Ask, o.MasterKey = asks(passphrase), masterKey('n', base64.StdEncoding)
			v := create(t, o)
			put(t, v, "p", "gone", canary)
			wantErr(t, v.Rekey(t.Context(), c), nil)
			wantErr(t, v.Replace(t.Context(), []vault.Entry{{Profile: "q", Record: vault.Record{Key: "k", Data: []byte(canary)}}}), nil)
			wantContents(t, v, o, map[string]string{"q/k": canary})
		})
	}
}

func TestVault_V010_passphrase(t *testing.T) {
	o := options(t)
	o.Ask = asks(passphrase)
	v := create(t, o)
	want := furnished(t, v)
	wantErr(t, v.Rekey(t.Context(), vault.Change{Source: vault.SourcePassphrase, Passphrase: secret.New(passphrase)}), nil)
	wantContents(t, v, o, want)
	o.Ask = asks(canary + "wrong")
	cannotOpen(t, o, vault.ErrWrongKey, "passphrase")
	o.Ask = func(context.Context, string) (secret.Text, error) { return secret.Text{}, errStop }
	cannotOpen(t, o, vault.ErrLocked, "passphrase")
	o.Ask = nil // V013: nobody there
	cannotOpen(t, o, vault.ErrLocked, "passphrase")
}

// Parameters from a hostile header are refused before they cost anything.
func TestPassphraseParameters(t *testing.T) {
	const salt = " salt=AAAAAAAAAAAAAAAAAAAAAA"
	for name, parameters := range map[string]string{
		"memory":      "argon2id t=3 m=1048577 p=4" + salt,
		"huge memory": "argon2id t=1 m=4294967295 p=1" + salt,
		"overflow":    "argon2id t=1 m=4294967296 p=1" + salt,
		"time":        "argon2id t=17 m=65536 p=4" + salt,
		"threads":     "argon2id t=3 m=65536 p=17" + salt,
		"no threads":  "argon2id t=3 m=65536 p=0" + salt,
		"no time":     "argon2id t=0 m=65536 p=4" + salt,
		"weak memory": "argon2id t=3 m=16383 p=4" + salt,
		"negative":    "argon2id t=-3 m=65536 p=4" + salt,
		"short salt":  "argon2id t=3 m=65536 p=4 salt=AAAA",
		"argon2i":     "argon2i t=3 m=65536 p=4" + salt,
		"spelling":    "argon2id t=03 m=65536 p=4" + salt,
		"more":        "argon2id t=3 m=65536 p=4" + salt + " x",
		"none":        "",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := vault.PassphraseSource(parameters, asks(passphrase))
			wantErr(t, err, vault.ErrSource)
		})
	}
	_, err := vault.PassphraseSource("argon2id t=3 m=65536 p=4"+salt, asks(passphrase))
	wantErr(t, err, nil)
}

func TestVault_V010_age(t *testing.T) {
	o := options(t)
	v := create(t, o)
	want := furnished(t, v)
	path := identityFile(t)
	wantErr(t, v.Rekey(t.Context(), vault.Change{Source: vault.SourceAge, Identity: path}), nil)
	wantErr(t, v.Rekey(t.Context(), vault.Change{}), nil) // the same identity
	wantContents(t, v, o, want)
	for _, c := range []struct {
		name    string
		content string
		want    error
	}{
		{"another identity", string(must(os.ReadFile(identityFile(t)))), vault.ErrWrongKey},
		{"no identity", "AGE-SECRET-KEY-" + canary, vault.ErrKeyFormat},
		{"no plugin identity", "AGE-PLUGIN-" + canary, vault.ErrKeyFormat},
		{"empty", "# nothing\n", vault.ErrKeyFormat},
	} {
		t.Run(c.name, func(t *testing.T) {
			edit(t, path, constant(c.content))
			cannotOpen(t, o, c.want, path)
		})
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	cannotOpen(t, o, vault.ErrPermissions, path)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	cannotOpen(t, o, vault.ErrKeyMissing, path)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

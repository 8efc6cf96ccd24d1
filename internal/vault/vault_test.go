package vault_test

import (
	"context"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"authsome/internal/secret"
	"authsome/internal/vault"
)

const canary = "CANARY_9f27_"

var errStop = errors.New("stop")

// options are of a vault in a home that does not exist yet, with the key in a file.
func options(t testing.TB) vault.Options {
	home := filepath.Join(t.TempDir(), "home")
	return vault.Options{Dir: filepath.Join(home, "vault"), KeyFile: filepath.Join(home, "vault.key"), Source: vault.SourceFile}
}

func create(t testing.TB, o vault.Options) *vault.Vault {
	t.Helper()
	v, err := vault.OpenOrCreate(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func put(t testing.TB, v *vault.Vault, profile, key, data string) {
	t.Helper()
	if err := v.Put(t.Context(), profile, key, []byte(data)); err != nil {
		t.Fatal(err)
	}
}

func wantData(t testing.TB, v *vault.Vault, profile, key, want string) {
	t.Helper()
	got, err := v.Get(t.Context(), profile, key)
	if err != nil || string(got) != want {
		t.Errorf("%s/%s is %q, error %v; want %q", profile, key, got, err, want)
	}
}

// wantErr also checks that no error tells a secret.
func wantErr(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) || (want == nil && err != nil) {
		t.Errorf("error %v, want %v", err, want)
	}
	if err != nil && strings.Contains(err.Error(), canary) {
		t.Errorf("error tells a secret: %v", err)
	}
}

// files is every file below dir by path, to see that nothing changed.
func files(t testing.TB, dir string) map[string]string {
	t.Helper()
	got := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		got[path] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func unchanged(t testing.TB, before map[string]string, dir string) {
	t.Helper()
	if diff := cmp.Diff(before, files(t, dir)); diff != "" {
		t.Errorf("a failing call changed files (-before +after):\n%s", diff)
	}
}

func TestVault(t *testing.T) {
	for name, o := range map[string]vault.Options{
		"dir":    options(t),
		"memory": {Store: vault.NewMemory(), Source: vault.SourceEnv, MasterKey: secret.New(base64.StdEncoding.EncodeToString(make([]byte, 32)))},
	} {
		t.Run(name, func(t *testing.T) { records(t, o) })
	}
}

func records(t *testing.T, o vault.Options) {
	ctx, v := t.Context(), create(t, o)
	if !v.Created() || v.Fallback() != nil {
		t.Errorf("created %v, fallback %v", v.Created(), v.Fallback())
	}
	_, err := v.Get(ctx, "default", "connection/a/default")
	wantErr(t, err, vault.ErrNotFound)
	wantErr(t, v.Delete(ctx, "default", "connection/a/default"), vault.ErrNotFound)
	put(t, v, "default", "connection/b/default", "old")
	put(t, v, "default", "connection/b/default", canary+"b")
	put(t, v, "default", "connection/a/default", canary+"a")
	put(t, v, "default", "client/a", "")
	put(t, v, "work", "connection/a/default", canary+"work")
	put(t, v, "gone", "x", "x")
	wantErr(t, v.Delete(ctx, "gone", "x"), nil)

	v, err = vault.Open(ctx, o)
	if err != nil || v.Created() {
		t.Fatalf("open: %v, created %v", err, v.Created())
	}
	wantData(t, v, "default", "client/a", "")
	wantData(t, v, "work", "connection/a/default", canary+"work")
	got, err := v.List(ctx, "default", "connection/")
	wantErr(t, err, nil)
	want := []vault.Record{{Key: "connection/a/default", Data: []byte(canary + "a")}, {Key: "connection/b/default", Data: []byte(canary + "b")}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("List (-want +got):\n%s", diff)
	}
	profiles, err := v.Profiles(ctx)
	wantErr(t, err, nil)
	if diff := cmp.Diff([]string{"default", "work"}, profiles); diff != "" {
		t.Errorf("Profiles (-want +got):\n%s", diff)
	}
}

func TestLimits(t *testing.T) {
	ctx, v := t.Context(), create(t, options(t))
	long := strings.Repeat("k", 1025)
	for _, name := range [][2]string{{"", "k"}, {"p", ""}, {long, "k"}, {"p", long}} {
		wantErr(t, v.Put(ctx, name[0], name[1], nil), vault.ErrInvalidName)
		_, err := v.Get(ctx, name[0], name[1])
		wantErr(t, err, vault.ErrInvalidName)
	}
	largest := strings.Repeat("x", vault.MaxData)
	wantErr(t, v.Put(ctx, long[1:], long[1:], []byte(largest)), nil)
	wantData(t, v, long[1:], long[1:], largest)
	wantErr(t, v.Put(ctx, "p", "k", []byte(largest+"x")), vault.ErrTooLarge)
	// Names that differ only in where profile ends and key begins.
	put(t, v, "ab", "c", "1")
	put(t, v, "a", "bc", "2")
	wantData(t, v, "ab", "c", "1")
	wantData(t, v, "a", "bc", "2")
}

func TestUpdate(t *testing.T) {
	ctx, o := t.Context(), options(t)
	v := create(t, o)
	update := func(want, new string) error {
		return v.Update(ctx, "p", "k", func(old []byte) ([]byte, error) {
			if string(old) != want || (old == nil) != (want == "") {
				t.Errorf("f was given %q, want %q", old, want)
			}
			switch new {
			case "nil":
				return nil, nil
			case "error":
				return []byte("half done"), errStop
			case "same":
				return old, nil
			}
			return []byte(new), nil
		})
	}
	wantErr(t, update("", "nil"), nil)
	wantErr(t, update("", "one"), nil)
	before := files(t, o.Dir)
	wantErr(t, update("one", "error"), errStop)
	wantErr(t, update("one", "same"), nil)
	unchanged(t, before, o.Dir)
	wantData(t, v, "p", "k", "one")
	wantErr(t, update("one", "nil"), nil)
	_, err := v.Get(ctx, "p", "k")
	wantErr(t, err, vault.ErrNotFound)
}

// What can't be had again is kept although the caller has given up.
func TestUpdateCommitsAfterCancel(t *testing.T) {
	v := create(t, options(t))
	ctx, cancel := context.WithCancel(t.Context())
	wantErr(t, v.Update(ctx, "p", "k", func([]byte) ([]byte, error) {
		cancel()
		return []byte("spent"), nil
	}), nil)
	wantData(t, v, "p", "k", "spent")
	wantErr(t, v.Put(ctx, "p", "k", nil), context.Canceled)
}

func TestUpdateExcludes(t *testing.T) {
	o := options(t)
	create(t, o)
	var wg sync.WaitGroup
	for range 8 {
		v := create(t, o)
		wg.Go(func() {
			for range 10 {
				if err := v.Update(t.Context(), "p", "n", func(old []byte) ([]byte, error) {
					n, _ := strconv.Atoi(string(old))
					return []byte(strconv.Itoa(n + 1)), nil
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	v := create(t, o)
	wantData(t, v, "p", "n", "80")
	err := v.Update(t.Context(), "p", "n", func([]byte) ([]byte, error) {
		put := func(ctx context.Context) error { return v.Put(ctx, "p", "n", nil) }
		del := func(ctx context.Context) error { return v.Delete(ctx, "p", "n") }
		for _, change := range []func(context.Context) error{put, del} {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
			wantErr(t, change(ctx), vault.ErrBusy)
			cancel()
		}
		return nil, errStop
	})
	wantErr(t, err, errStop)
}

func TestVersion(t *testing.T) {
	ctx, o := t.Context(), options(t)
	v, other := create(t, o), create(t, o)
	put(t, v, "p", "k", "x")
	before, err := other.Version(ctx)
	wantErr(t, err, nil)
	if _, err := v.List(ctx, "p", ""); err != nil {
		t.Fatal(err)
	}
	wantData(t, v, "p", "k", "x")
	if again, _ := other.Version(ctx); again != before {
		t.Error("reading changed the version")
	}
	put(t, v, "p", "k", "x")
	if after, _ := other.Version(ctx); after == before {
		t.Error("writing did not change the version")
	}
}

// Two that create at once get one vault and one key.
func TestCreateTwice(t *testing.T) {
	o := options(t)
	var wg sync.WaitGroup
	vaults := make([]*vault.Vault, 16)
	for i := range vaults {
		wg.Go(func() {
			v, err := vault.OpenOrCreate(t.Context(), o)
			if err != nil {
				t.Error(err)
				return
			}
			vaults[i] = v
			if err := v.Put(t.Context(), "p", strconv.Itoa(i), []byte(strconv.Itoa(i))); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	created := 0
	for i, v := range vaults {
		if v.Created() {
			created++
		}
		wantData(t, v, "p", strconv.Itoa((i+5)%16), strconv.Itoa((i+5)%16))
	}
	if created != 1 {
		t.Errorf("%d of them made the vault", created)
	}
}

func TestOpenWritesNothing(t *testing.T) {
	o := options(t)
	_, err := vault.Open(t.Context(), o)
	wantErr(t, err, vault.ErrNoVault)
	if _, err := os.Lstat(filepath.Dir(o.Dir)); !os.IsNotExist(err) {
		t.Errorf("the home exists now: %v", err)
	}
	create(t, o)
	before := files(t, filepath.Dir(o.Dir))
	if _, err := vault.Open(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	unchanged(t, before, filepath.Dir(o.Dir))
}

// V022: the whole folder, names and contents, tells neither what is kept nor
// for whom.
func TestVault_V022_stolen_disk(t *testing.T) {
	o := options(t)
	v := create(t, o)
	words := []string{"github", "connection", "personal", "workprofile", canary}
	for i := range 50 {
		put(t, v, "workprofile", "connection/github/personal"+strconv.Itoa(i), canary+strings.Repeat("y", 9*i))
	}
	sizes := map[int]bool{}
	for path, data := range files(t, filepath.Dir(o.Dir)) {
		path = strings.TrimPrefix(path, filepath.Dir(o.Dir))
		for _, word := range words {
			if strings.Contains(path+data, word) {
				t.Errorf("%s tells %q", path, word)
			}
		}
		if len(filepath.Base(path)) == 64 && len(data) > 0 {
			sizes[len(data)] = true
		}
	}
	if len(sizes) > 3 {
		t.Errorf("50 lengths show as %d sizes", len(sizes))
	}
}

// V017: no nonce comes twice.
func TestVault_V017_nonces(t *testing.T) {
	v := create(t, options(t))
	r := vault.Record{Key: "k", Data: []byte("same")}
	seen := make(map[[24]byte]bool, 200_000)
	for range 200_000 {
		nonce := [24]byte(v.SealRaw("p", r)[8+2+16+32:])
		if seen[nonce] {
			t.Fatal("a nonce came twice")
		}
		seen[nonce] = true
	}
}

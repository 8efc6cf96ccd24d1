//go:build unix

package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// damage is something that happened to a home folder, and the word doctor has
// for it.
type damage struct {
	name string
	do   func(t *testing.T, w *world) error
	says string
}

func damages() []damage {
	chmod := func(mode os.FileMode, elem ...string) func(*testing.T, *world) error {
		return func(_ *testing.T, w *world) error { return os.Chmod(w.home(elem...), mode) }
	}
	cut := func(size int64, elem ...string) func(*testing.T, *world) error {
		return func(_ *testing.T, w *world) error { return os.Truncate(w.home(elem...), size) }
	}
	remove := func(elem ...string) func(*testing.T, *world) error {
		return func(_ *testing.T, w *world) error { return os.RemoveAll(w.home(elem...)) }
	}
	// replace moves a file away and has put make another thing in its place.
	replace := func(put func(path string) error, elem ...string) func(*testing.T, *world) error {
		return func(_ *testing.T, w *world) error {
			path := w.home(elem...)
			if err := os.Rename(path, filepath.Join(w.dir, "moved")); err != nil {
				return err
			}
			return put(path)
		}
	}
	write := func(text string, elem ...string) func(*testing.T, *world) error {
		return func(t *testing.T, w *world) error { writeFile(t, w.home(elem...), text); return nil }
	}
	folder := func(path string) error { return os.Mkdir(path, 0o700) }
	pipe := func(path string) error { return syscall.Mkfifo(path, 0o600) }
	link := func(path string) error {
		return os.Symlink(filepath.Join(filepath.Dir(path), "..", "..", "moved"), path)
	}
	return []damage{
		{"home for all", chmod(0o755), "others may enter"},
		{"vault for all", chmod(0o777, "vault"), "permissions"},
		{"header for all", chmod(0o644, "vault", "header"), "permissions"},
		{"key for all", chmod(0o644, "vault.key"), "permissions"},
		{"log for all", chmod(0o666, "audit.log"), "audit log"},
		{"providers for all", chmod(0o777, "providers"), "written to by others"},
		{"header empty", cut(0, "vault", "header"), "damaged"},
		{"header cut", cut(100, "vault", "header"), "damaged"},
		{"header gone", remove("vault", "header"), "missing"},
		{"header newer", write("authsome-vault 9\n", "vault", "header"), "newer"},
		{"header a folder", replace(folder, "vault", "header"), "not a plain file"},
		{"header a link", replace(link, "vault", "header"), "not a plain file"},
		{"vault a file", replace(func(path string) error { return os.WriteFile(path, nil, 0o600) }, "vault"), "not a plain file"},
		{"vault a link", replace(link, "vault"), "not a plain file"},
		{"key gone", remove("vault.key"), "key is missing"},
		{"key empty", cut(0, "vault.key"), "malformed key"},
		{"key cut", cut(40, "vault.key"), "malformed key"},
		{"key of another", write("authsome-key 1\nMDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\n", "vault.key"), "wrong key"},
		{"key a link", replace(link, "vault.key"), "not a plain file"},
		{"key a pipe", replace(pipe, "vault.key"), "not a plain file"},
		{"key a folder", replace(folder, "vault.key"), "not a plain file"},
		{"record cut", func(_ *testing.T, w *world) error { return os.Truncate(record(w), 20) }, "damaged"},
		{"record a pipe", func(_ *testing.T, w *world) error {
			path := record(w)
			return firstOf(os.Remove(path), pipe(path))
		}, "not a plain file"},
		{"log a folder", replace(folder, "audit.log"), "audit log"},
		{"log a link", replace(link, "audit.log"), "audit log"},
		{"log a pipe", replace(pipe, "audit.log"), "audit log"},
		{"log garbage", write("\x00garbage\n{}\n", "audit.log"), "damaged line"},
		{"providers a file", write("", "providers"), "not a directory"},
		{"definition bad", write("{", "providers", "acme.json"), "acme.json"},
		{"definition misnamed", write(acme("other"), "providers", "acme.json"), "must agree"},
		{"definition a pipe", func(_ *testing.T, w *world) error { return pipe(w.home("providers", "acme.json")) }, "not a regular file"},
		{"provider gone", remove("providers", "gone.json"), "its provider is gone"},
	}
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// record is the path of some connection's record.
func record(w *world) string {
	paths, _ := filepath.Glob(w.home("vault", "[0-9a-f]*[0-9a-f]"))
	for _, path := range paths {
		if filepath.Base(path) != "header" {
			return path
		}
	}
	return ""
}

// TestDoctor: doctor names each kind of damage, fails, and leaves all as it is.
func TestDoctor(t *testing.T) {
	t.Parallel()
	for _, d := range damages() {
		t.Run("C013 "+d.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			writeFile(t, w.home("providers", "gone.json"), acme("gone"))
			w.login(t, "openai", w.Canary("key"))
			if strings.HasPrefix(d.name, "provider") {
				w.login(t, "gone", w.Canary("gone"))
			}
			if d.name == "providers a file" {
				if err := os.RemoveAll(w.home("providers")); err != nil {
					t.Fatal(err)
				}
			}
			if err := d.do(t, w); err != nil {
				t.Fatal(err)
			}
			before := mustTree(t, w.dir)
			r := w.authsome(t, "doctor")
			if r.code != 1 || !strings.Contains(r.stdout, d.says) || !strings.Contains(r.stdout, "FAIL") {
				t.Errorf("want exit 1 and %q: %v", d.says, r)
			}
			asJSON := w.authsome(t, "doctor", "--json")
			if err := oneDocument(asJSON.stdout); asJSON.code != 1 || err != nil || !strings.Contains(asJSON.stdout, "not_ready") {
				t.Errorf("%v, %v", asJSON, err)
			}
			if diff := cmp.Diff(before, mustTree(t, w.dir)); diff != "" {
				t.Errorf("doctor changed something: %s", diff)
			}
		})
	}
}

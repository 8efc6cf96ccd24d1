package provider_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"authsome/internal/provider"
)

const acme = `{
  // a comment
  "name": "acme", "display_name": "Acme", "auth_type": "api_key", "flow": "api_key",
  "host_url": "api.acme.test",
}`

func load(t *testing.T, dir string) *provider.Registry {
	t.Helper()
	r, _, err := provider.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func write(t *testing.T, dir, file, data string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, file), []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
}

func names(defs []*provider.Definition) []string {
	var names []string
	for _, d := range defs {
		names = append(names, d.Name)
	}
	return names
}

func TestRegistry(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "providers")
	r := load(t, dir)
	bundled := names(r.All())
	empty := r.Version()

	def, err := r.Register([]byte(acme), false)
	if err != nil {
		t.Fatal(err)
	}
	if def.Source != provider.Custom || def.Path != filepath.Join(dir, "acme.json") || def.Overrides {
		t.Errorf("registered: source %q, path %q, overrides %t", def.Source, def.Path, def.Overrides)
	}
	written, err := os.ReadFile(def.Path)
	if err != nil || string(written) != acme {
		t.Errorf("the file holds %q, %v", written, err)
	}
	if runtime.GOOS != "windows" {
		for path, want := range map[string]fs.FileMode{dir: 0o700, def.Path: 0o600} {
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
				t.Errorf("%s: mode %v, %v; want %v", path, info.Mode().Perm(), err, want)
			}
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("the folder holds %v, want one file", entries)
	}
	if r.Version() == empty {
		t.Error("Version did not change")
	}
	if got := names(load(t, dir).All()); !cmp.Equal(got, append(bundled, "acme")) {
		t.Errorf("All = %v", got)
	}
	if err := r.Remove("acme"); err != nil {
		t.Error(err)
	}
	if _, err := r.Get("acme"); !errors.Is(err, provider.ErrUnknown) {
		t.Errorf("after Remove: %v", err)
	}
	if r.Version() != empty {
		t.Error("Version is not what it was")
	}
}

// TestRegistryLive edits a file behind a registry's back.
func TestRegistryLive(t *testing.T) {
	dir := t.TempDir()
	r := load(t, dir)
	write(t, dir, "acme.json", acme)
	before, err := r.Get("acme")
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := r.Get("acme"); again != before {
		t.Error("an unchanged file is parsed again")
	}
	write(t, dir, "acme.json", strings.Replace(acme, "api.acme.test", "api2.acme.test", 1))
	after, err := r.Get("acme")
	if err != nil || after.HostURL[0] != "api2.acme.test" {
		t.Errorf("after the edit: %v, %v", after, err)
	}
}

func TestRegistryOverride(t *testing.T) {
	dir := t.TempDir()
	r := load(t, dir)
	mine := strings.Replace(acme, "acme", "openai", 1)
	if _, err := r.Register([]byte(mine), false); !errors.Is(err, provider.ErrExists) {
		t.Errorf("a bundled name without force: %v", err)
	}
	def, err := r.Register([]byte(mine), true)
	if err != nil || !def.Overrides || def.HostURL[0] != "api.acme.test" {
		t.Fatalf("override: %+v, %v", def, err)
	}
	all := names(r.All())
	if all[len(all)-1] != "openai" || strings.Count(" "+strings.Join(all, " ")+" ", " openai ") != 1 {
		t.Errorf("All = %v, want openai once, at the end", all)
	}
	write(t, dir, "openai.json", "{")
	if _, err := r.Get("openai"); err == nil {
		t.Error("a broken override lets the bundled definition show")
	}
	if strings.Contains(" "+strings.Join(names(r.All()), " ")+" ", " openai ") {
		t.Error("All shows the bundled definition behind a broken override")
	}
	if err := r.Remove("openai"); err != nil {
		t.Error(err)
	}
	if def, err := r.Get("openai"); err != nil || def.Source != provider.Bundled {
		t.Errorf("after Remove: %v, %v", def, err)
	}
	if err := r.Remove("openai"); !errors.Is(err, provider.ErrBundled) {
		t.Errorf("Remove of a bundled one: %v", err)
	}
}

func TestRegistryUnknown(t *testing.T) {
	r := load(t, "")
	for name, want := range map[string]string{
		"opneai":                               `did you mean "openai"?`,
		"githup":                               `did you mean "github"?`,
		"something-else":                       `unknown provider "something-else"`,
		"../../../etc/passwd":                  "must begin with",
		"":                                     "empty",
		"\x1b]0;x\a":                           `\x1b]0;x\a`,
		strings.Repeat("a", 300):               "300 characters",
		"sk-canary-" + strings.Repeat("a", 20): "nobody's name has 30 characters", // a key in the wrong place
	} {
		_, err := r.Get(name)
		if !errors.Is(err, provider.ErrUnknown) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\x1b") || strings.Contains(err.Error(), "canary") {
			t.Errorf("Get(%q): %v; want %s", name, err, want)
		}
		if err := r.Removable(name); !errors.Is(err, provider.ErrUnknown) {
			t.Errorf("Removable(%q): %v", name, err)
		}
	}
	if _, err := r.Register([]byte(acme), false); err == nil {
		t.Error("Register without a folder")
	}
}

func TestFolderOfOthers(t *testing.T) {
	if runtime.GOOS == "windows" {
		return
	}
	dir := t.TempDir()
	write(t, dir, "acme.json", acme)
	if err := os.Chmod(filepath.Join(dir, "acme.json"), 0o666); err != nil {
		t.Fatal(err)
	}
	r := load(t, dir)
	if _, err := r.Get("acme"); err == nil || !strings.Contains(err.Error(), "others") {
		t.Errorf("a file others may write: %v", err)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, _, err := provider.Load(dir); err == nil || !strings.Contains(err.Error(), "chmod 700") {
		t.Errorf("a folder others may write: %v", err)
	}
}

// within fails the test when f takes so long that it must be blocked.
func within(t *testing.T, f func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-ctx.Done():
		t.Fatal("blocked")
	}
}

// fill puts n good definitions into dir.
func fill(t *testing.T, dir string, n int) {
	for i := range n {
		write(t, dir, fmt.Sprintf("p%d.json", i), fmt.Sprintf(
			`{"name":"p%d","display_name":"P","auth_type":"api_key","flow":"api_key","host_url":"api.p%d.test"}`, i, i))
	}
}

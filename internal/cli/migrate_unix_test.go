//go:build unix

package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"authsome/internal/original/originaltest"
)

// migrateReport is what `migrate --json` prints.
type migrateReport struct {
	KeySources []string `json:"key_sources"`
	Results    []struct {
		Kind, Profile, Provider, Connection, Status, Reason string
		Notes                                               []string
	} `json:"results"`
}

func (w *world) migrate(t *testing.T, code int, args ...string) map[string]string {
	t.Helper()
	r := w.authsome(t, append([]string{"migrate", "--json"}, args...)...)
	var report migrateReport
	if err := json.Unmarshal([]byte(r.stdout), &report); err != nil || r.code != code {
		t.Fatalf("exit code %d, want %d: %v: %v", r.code, code, err, r)
	}
	got := map[string]string{}
	for _, i := range report.Results {
		got[strings.Join([]string{i.Kind, i.Profile, i.Provider, i.Connection}, " ")] = strings.Join(append([]string{i.Status, i.Reason}, i.Notes...), "|")
	}
	return got
}

// originalHome makes a home folder as the original would, with canaries.
func originalHome(t *testing.T, w *world, dir string) map[string]string {
	t.Helper()
	keys := map[string]string{}
	for _, name := range []string{"openai", "acme", "access", "refresh", "client", "team"} {
		keys[name] = w.CanaryAs(name, "sk-CANARY-%s")
	}
	record := func(profile, provider, name string, more map[string]any) map[string]any {
		r := map[string]any{"schema_version": 2, "profile": profile, "provider": provider, "connection_name": name, "status": "connected", "obtained_at": "2026-01-02T03:04:05Z"}
		for k, v := range more {
			r[k] = v
		}
		return r
	}
	key := originaltest.NewKey()
	originaltest.WriteKeyFile(t, filepath.Join(dir, "master.key"), key)
	tokens := map[string]any{"auth_type": "oauth2", "access_token": keys["access"], "refresh_token": keys["refresh"], "scopes": []string{"repo"}, "expires_at": "2099-01-02T03:04:05.000001Z", "base_url": "https://github.com"}
	originaltest.WriteProfile(t, dir, "default", key, map[string]any{
		"profile:default:openai:connection:default": record("default", "openai", "default", map[string]any{"api_key": keys["openai"]}),
		"profile:default:acme:connection:a:b":       record("default", "acme", "a:b", map[string]any{"api_key": keys["acme"], "host_url": "api.acme.example"}),
		"profile:default:acme:connection:moved":     record("default", "acme", "moved", map[string]any{"api_key": keys["acme"], "host_url": "api.elsewhere.example"}),
		"profile:default:github:connection:work":    record("default", "github", "work", tokens),
		"profile:default:github:connection:home":    record("default", "github", "home", tokens),
		"profile:default:github:client":             record("default", "github", "", map[string]any{"client_id": "Iv1", "client_secret": keys["client"]}),
		"profile:default:github:metadata":           record("default", "github", "", map[string]any{"default_connection": "work"}),
		"profile:default:nobody:connection:default": record("default", "nobody", "default", map[string]any{"api_key": keys["acme"]}),
	})
	originaltest.WriteProfile(t, dir, "team", key, map[string]any{
		"profile:team:openai:connection:default": record("team", "openai", "default", map[string]any{"api_key": keys["team"]}),
	})
	writeFile(t, filepath.Join(dir, "providers", "acme.json"), acme("acme"))
	writeFile(t, filepath.Join(dir, "providers", "broad.json"), strings.Replace(acme("broad"), "api.broad.example", "regex:.*googleapis.*", 1))
	return keys
}

// TestMigrate: everything of a home folder of the original's is carried over
// or named, nothing there changes, and a second time nothing happens.
func TestMigrate(t *testing.T) {
	w := newWorld(t)
	dir := filepath.Join(t.TempDir(), "old")
	keys := originalHome(t, w, dir)
	before := mustTree(t, dir)

	done := func(status string) map[string]string {
		return map[string]string{
			"provider  acme ": status + "|", "client default github ": status + "|",
			"connection default openai default": status + "|", "connection default acme a-b": status + "||it was called \"a:b\"",
			"connection default github work": status + "|", "connection default github home": status + "|",
			"connection team openai default": status + "|", "default default github work": status + "|",
		}
	}
	failed := []string{"provider  broad ", "connection default acme moved", "connection default nobody default"}
	check := func(status string, got map[string]string) {
		t.Helper()
		for _, name := range failed {
			if !strings.HasPrefix(got[name], "failed|") {
				t.Errorf("%s: %q", name, got[name])
			}
			delete(got, name)
		}
		if diff := cmp.Diff(done(status), got); diff != "" {
			t.Error(diff)
		}
	}

	// Before the provider is registered, its connection can't be checked.
	w.migrate(t, 1, dir, "--dry-run")
	if _, err := tree(w.home()); err == nil {
		t.Error("a dry run made the home folder")
	}
	if r := w.authsome(t, "migrate", dir); r.code == 0 || !strings.Contains(r.stderr, "--dry-run") {
		t.Error("nobody was asked:", r)
	}
	var group sync.WaitGroup // two at once
	for range 2 {
		group.Go(func() { w.authsome(t, "migrate", dir, "--yes") })
	}
	group.Wait()
	check("already", w.migrate(t, 1, dir, "--yes"))
	if diff := cmp.Diff(before, mustTree(t, dir)); diff != "" {
		t.Error("the original's folder was changed:", diff)
	}

	for _, tt := range []struct{ key, args string }{
		{"openai", "get openai --field api_key"}, {"acme", "get acme --connection a-b --field api_key"}, {"team", "get openai --profile team --field api_key"},
		{"access", "get github --field access_token"}, {"refresh", "get github --connection home --field refresh_token"},
	} {
		r := w.invoke(t, invocation{args: append(strings.Fields(tt.args), "--show-secret"), reveals: true})
		if r.stdout != keys[tt.key]+"\n" {
			t.Errorf("%s: exit code %d, another value", tt.args, r.code)
		}
	}
	if r := w.must(t, "get", "github", "--field", "expires_at"); r.stdout != "2099-01-02T03:04:05Z\n" {
		t.Error(r)
	}
	if r := w.must(t, "log", "--json", "--event", "login"); strings.Count(r.stdout, `"import`) < 6 {
		t.Error("the audit log has no line for each:", r.stdout)
	}
}

// TestMigrateInPlace: the original's home folder is the one of this authsome.
func TestMigrateInPlace(t *testing.T) {
	dir := t.TempDir() // it holds the original's own key, not ours
	w := newWorldIn(t, dir)
	keys := originalHome(t, w, w.home())
	if r := w.authsome(t, "migrate", "--yes"); r.code != 7 || !strings.Contains(r.stderr, "chmod 700 ") {
		t.Error("a folder that others may enter became the vault's:", r)
	}
	if err := os.Chmod(w.home(), 0o700); err != nil {
		t.Fatal(err)
	}
	w.migrate(t, 1, "--yes")
	r := w.invoke(t, invocation{args: []string{"export", "openai"}, reveals: true})
	if r.stdout != "OPENAI_API_KEY="+keys["openai"]+"\n" {
		t.Error("exit code", r.code, r.stderr)
	}
	w.login(t, "openai", w.CanaryAs("newer", "sk-CANARY-%s"), "--force")
	if got := w.migrate(t, 1, "--yes")["connection default openai default"]; !strings.HasPrefix(got, "kept|") {
		t.Error(got)
	}
}

package original_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"authsome/internal/original"
	"authsome/internal/original/originaltest"
	"authsome/internal/secret"
)

// whole compares secrets by their characters.
var whole = cmp.Comparer(func(a, b secret.Text) bool { return a.Equal(b) })

func read(t *testing.T, dir string, keys original.Keys) *original.Home {
	t.Helper()
	home, err := original.Read(t.Context(), dir, keys)
	if err != nil {
		t.Fatal(err)
	}
	return home
}

var (
	github = map[string]any{
		"schema_version": 2, "provider": "github", "profile": "default", "connection_name": "work", "auth_type": "oauth2",
		"status": "connected", "base_url": "https://github.com", "host_url": "api.github.com", "scopes": []string{"repo"},
		"access_token": "ghu_CANARY", "refresh_token": "ghr_CANARY", "token_type": "Bearer",
		"expires_at": "2030-01-02T03:04:05.678901Z", "obtained_at": "2026-01-02T03:04:05.000001+00:00", "api_key": nil,
		"account": map[string]any{"id": nil, "label": nil}, "metadata": map[string]any{},
	}
	openai = map[string]any{
		"schema_version": 2, "provider": "openai", "profile": "default", "connection_name": "default", "auth_type": "api_key",
		"status": "connected", "host_url": "api.openai.com", "api_key": "sk-CANARY", "obtained_at": "2026-01-02T03:04:05Z",
		"scopes": nil, "expires_at": nil,
	}
	client = map[string]any{"schema_version": 2, "provider": "github", "profile": "default", "client_id": "Iv1", "client_secret": "CANARY-client"}
	meta   = map[string]any{"schema_version": 2, "provider": "github", "profile": "default", "default_connection": "work", "connection_names": []string{"work"}}
)

func records(owner, clientKey string) map[string]any {
	return map[string]any{
		owner + ":github:connection:work": github, owner + ":openai:connection:default": openai, clientKey: client,
		owner + ":github:metadata": meta, owner + ":github:state": map[string]any{"schema_version": 2, "last_refresh_at": nil},
	}
}

func wanted(clientProfile string) *original.Home {
	obtained := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return &original.Home{
		Connections: []original.Connection{
			{
				Profile: "default", Provider: "github", Name: "work", Status: "connected", BaseURL: "https://github.com", Hosts: []string{"api.github.com"},
				Scopes: []string{"repo"}, AccessToken: secret.New("ghu_CANARY"), RefreshToken: secret.New("ghr_CANARY"),
				ExpiresAt: time.Date(2030, 1, 2, 3, 4, 5, 678901000, time.UTC), ObtainedAt: obtained.Add(time.Microsecond),
			},
			{Profile: "default", Provider: "openai", Name: "default", Status: "connected", Hosts: []string{"api.openai.com"}, APIKey: secret.New("sk-CANARY"), ObtainedAt: obtained},
		},
		Clients:  []original.Client{{Profile: clientProfile, Provider: "github", ID: "Iv1", Secret: secret.New("CANARY-client")}},
		Defaults: []original.Default{{Profile: "default", Provider: "github", Connection: "work"}},
	}
}

// TestRead: both layouts and every key source, with every record there is.
func TestRead(t *testing.T) {
	key := originaltest.NewKey()
	ring := func(context.Context) (string, error) { return key.Text(), nil }
	profiles := func(dir string) {
		originaltest.WriteProfile(t, dir, "default", key, records("profile:default", "profile:default:github:client"))
	}
	server := func(dir string) {
		originaltest.WriteServer(t, dir, key, records("vault:vault_0a1b", "server:provider:github:client"))
	}
	tests := map[string]struct {
		write         func(dir string)
		keys          original.Keys
		source        string
		clientProfile string
	}{
		"0.2, key file": {func(dir string) { profiles(dir); originaltest.WriteKeyFile(t, filepath.Join(dir, "master.key"), key) }, original.Keys{Keyring: nil}, "file master.key", "default"},
		"0.2, keyring":  {profiles, original.Keys{Keyring: ring}, "OS keyring", "default"},
		"server, key file": {func(dir string) {
			server(dir)
			originaltest.WriteKeyFile(t, filepath.Join(dir, "server", "master.key"), key)
		}, original.Keys{}, "file server/master.key", ""},
		"server, bare key file": {func(dir string) { server(dir); write(t, filepath.Join(dir, "server", "master.key"), key.Text()+"\n") }, original.Keys{}, "file server/master.key", ""},
		"server, environment":   {server, original.Keys{Environment: key.Text()}, "AUTHSOME_MASTER_KEY", ""},
		"server, keyring":       {server, original.Keys{Environment: "of another form", Keyring: ring}, "OS keyring", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			tt.write(dir)
			want := wanted(tt.clientProfile)
			want.KeySources = []string{tt.source}
			if diff := cmp.Diff(want, read(t, dir, tt.keys), whole); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestReadProblems: what can't be read is named, without its content, and the
// rest is read all the same.
func TestReadProblems(t *testing.T) {
	dir, key, other := t.TempDir(), originaltest.NewKey(), originaltest.NewKey()
	all := records("profile:default", "profile:default:github:client")
	all["profile:default:a:connection:old"] = map[string]any{"schema_version": 1, "access_token": "CANARY"}
	all["profile:default:a:connection:time"] = map[string]any{"schema_version": 2, "expires_at": "CANARY"}
	all["profile:default:a:connection:list"] = []string{"CANARY"}
	originaltest.WriteProfile(t, dir, "default", key, all)
	originaltest.WriteProfile(t, dir, "other", other, map[string]any{"profile:other:openai:connection:default": openai})
	write(t, filepath.Join(dir, "profiles", "broken", "store.db"), "CANARY")
	originaltest.WriteKeyFile(t, filepath.Join(dir, "master.key"), key)
	home := read(t, dir, original.Keys{Keyring: func(context.Context) (string, error) { return "", errors.New("locked") }})
	if len(home.Connections) != 3 || len(home.Clients) != 1 { // the one with the bad time too
		t.Error(home.Connections, home.Clients)
	}
	var got []string
	for _, p := range home.Problems {
		got = append(got, p.What+": "+p.Err.Error())
	}
	text := strings.Join(got, "\n")
	for _, want := range []string{"default/a:connection:old: record is of format 1", "default/a:connection:time: a time", "default/a:connection:list: record is not",
		"other/openai:connection:default: none of the original's keys opens it; the OS keyring: locked", "profile broken: "} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not among\n%s", want, text)
		}
	}
	if strings.Contains(text, "CANARY") {
		t.Error("a problem holds a record's content:", text)
	}
}

func TestReadNone(t *testing.T) {
	dir := t.TempDir()
	if _, err := original.Read(t.Context(), dir, original.Keys{}); !errors.Is(err, original.ErrNone) {
		t.Error(err)
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

//go:build linux

package oidc_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"authsome/test/lab"
)

// patience is how long anything may take that should be quick, on a machine
// that has other things to do.
const patience = 90 * time.Second

// Exit codes.
const (
	exitOther        = 1
	exitLogin        = 4
	exitNotConnected = 5
	exitRefresh      = 6
	exitCancelled    = 8
)

// A world is a lab with one user in it, an authorization server and an API.
type world struct {
	*lab.Lab
	server *server
	front  *front
	client client // of provider example
	home   string // AUTHSOME_HOME
	bin    string // authsome
	env    []string
	reach  *http.Transport // to the lab's hosts, for browsers
}

// newWorld has provider example, for which a client was registered.
func newWorld(t *testing.T) *world {
	t.Helper()
	l, s := lab.New(t), theServer(t)
	f, err := newFront(s)
	if err != nil {
		t.Fatal(err)
	}
	a := &api{server: s, known: map[string]verdict{}}
	l.Handle("auth.example.test/", f)
	l.Handle("api.example.test/", a)
	l.Handle("api.example.test/user", a)
	home := filepath.Join(l.Dir(), "authsome")
	w := &world{Lab: l, server: s, front: f, client: s.register(t), home: home, bin: lab.Build(t), env: l.Env(home)}
	w.reach, err = transport(l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.reach.CloseIdleConnections)
	w.define(t, "example", nil)
	return w
}

// transport reaches the lab's hosts through its parent proxy.
func transport(l *lab.Lab) (*http.Transport, error) {
	proxy, err := url.Parse(l.Proxy())
	if err != nil {
		return nil, err
	}
	roots, err := pool(l.CA())
	if err != nil {
		return nil, err
	}
	tr := http.DefaultTransport.(*http.Transport).Clone()
	tr.TLSClientConfig = roots
	tr.Proxy = func(r *http.Request) (*url.URL, error) {
		if r.URL.Scheme == "http" {
			return nil, nil // loopback
		}
		return proxy, nil
	}
	return tr, nil
}

func pool(file string) (*tls.Config, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, errors.New("no certificate in " + file)
	}
	return &tls.Config{RootCAs: roots}, nil
}

// define registers a custom provider, which is example with changes to its
// oauth block; nil removes a field.
func (w *world) define(t *testing.T, name string, changes map[string]any) {
	t.Helper()
	oauth := map[string]any{
		"issuer": issuer, "authorization_url": issuer + "/auth", "token_url": issuer + "/token",
		"revocation_url": issuer + "/token/revocation", "device_authorization_url": issuer + "/device/auth",
		"scopes": []string{"openid", "offline_access", "api:read"}, "authorization_params": map[string]string{"prompt": "consent"},
		"token_endpoint_auth_method": "none", "supports_device_flow": true, "pkce": true,
		"account": map[string]any{"url": resource + "user", "path": "login"},
	}
	maps.Copy(oauth, changes)
	maps.DeleteFunc(oauth, func(_ string, v any) bool { return v == nil })
	flow := "pkce"
	if oauth["supports_dcr"] != nil {
		flow = "dcr_pkce"
	}
	definition, err := json.Marshal(map[string]any{
		"schema_version": 1, "name": name, "display_name": "Example", "auth_type": "oauth2", "flow": flow,
		"host_url": "api.example.test", "oauth": oauth,
		"export": map[string]any{"env": map[string]any{"access_token": []string{strings.ToUpper(name) + "_TOKEN"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(w.Dir(), name+".json")
	if err := os.WriteFile(file, definition, 0o600); err != nil {
		t.Fatal(err)
	}
	w.ok(t, "register", "--force", "--yes", file)
}

// A result is how a program ended and what it said.
type result struct {
	code           int // 128+N if signal N ended it
	stdout, stderr string
	took           time.Duration
}

func (r result) String() string {
	return fmt.Sprintf("exit %d after %v\nstdout: %s\nstderr: %s", r.code, r.took.Round(time.Millisecond), r.stdout, r.stderr)
}

// cmd is authsome with these arguments. It is killed when it takes too long.
func (w *world) cmd(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, w.bin, args...)
	cmd.Env, cmd.Dir = w.env, filepath.Join(w.Dir(), "tmp")
	cmd.WaitDelay = 5 * time.Second // a browser that holds the pipes
	return cmd
}

// with adds variables to a command's environment.
func with(cmd *exec.Cmd, entries ...string) *exec.Cmd {
	cmd.Env = append(append([]string{}, cmd.Env...), entries...)
	return cmd
}

func finish(t *testing.T, cmd *exec.Cmd) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	start := time.Now()
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v", strings.Join(cmd.Args, " "), err)
	}
	return result{exitCode(cmd.ProcessState), stdout.String(), stderr.String(), time.Since(start)}
}

func exitCode(state *os.ProcessState) int {
	if status := state.Sys().(syscall.WaitStatus); status.Signaled() {
		return 128 + int(status.Signal())
	}
	return state.ExitCode()
}

// do runs authsome.
func (w *world) do(t *testing.T, args ...string) result {
	t.Helper()
	return finish(t, w.cmd(t, args...))
}

// ok runs authsome, which has to succeed.
func (w *world) ok(t *testing.T, args ...string) result {
	t.Helper()
	r := w.do(t, args...)
	if r.code != 0 {
		t.Fatalf("authsome %s: %s", strings.Join(args, " "), r)
	}
	return r
}

// A connection is one as `list --json` shows it.
type connection struct {
	Name      string     `json:"connection_name"`
	Status    string     `json:"status"`
	ExpiresAt *time.Time `json:"expires_at"`
	Account   string     `json:"account"`
	Scopes    []string   `json:"scopes"`
}

// connections are those of a provider, by name.
func (w *world) connections(t *testing.T, provider string) map[string]connection {
	t.Helper()
	var listed map[string][]struct {
		Name        string
		Connections []connection
	}
	r := w.ok(t, "list", "--json")
	if err := json.Unmarshal([]byte(r.stdout), &listed); err != nil {
		t.Fatalf("list --json: %v\n%s", err, r.stdout)
	}
	found := map[string]connection{}
	for _, p := range listed["custom"] {
		for _, c := range p.Connections {
			if p.Name == provider {
				found[c.Name] = c
			}
		}
	}
	return found
}

// status is that of the default connection of a provider, "" for none.
func (w *world) status(t *testing.T, provider string) string {
	t.Helper()
	return w.connections(t, provider)["default"].Status
}

// token is what `export` says is the access token of a connection. It is "",
// with the way the export ended, when there is none.
func (w *world) token(t *testing.T, provider string, args ...string) (string, result) {
	t.Helper()
	r := finish(t, w.cmd(t, append([]string{"export", provider, "--format", "json"}, args...)...))
	var values map[string]string
	if r.code == 0 {
		if err := json.Unmarshal([]byte(r.stdout), &values); err != nil {
			t.Fatalf("export: %v", err)
		}
	}
	for _, value := range values {
		return value, r
	}
	return "", r
}

// human is a browser in this process.
func (w *world) human(t *testing.T, plan string) *browser {
	t.Helper()
	b, err := newBrowser(w.reach, plan)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// get loads one page.
func (w *world) get(t *testing.T, target string) page {
	t.Helper()
	p, err := w.human(t, planWalk).load(t.Context(), http.MethodGet, target, nil)
	if err != nil {
		t.Fatalf("get: %v", err)
	}
	return p
}

// until waits for a condition.
func until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, patience)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func equal[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

func contains(t testing.TB, what, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%s does not hold %q: %s", what, part, text)
		}
	}
}

func lacks(t testing.TB, what, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if part != "" && strings.Contains(text, part) {
			t.Errorf("%s holds what it must not (%d characters)", what, len(part))
		}
	}
}

// self is the path of the test binary.
func self(t testing.TB) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// record is a request that reached the lab's upstream.
type record = lab.Record

//go:build linux

package oidc_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// browsed runs a login whose browser is a process of its own, and returns what
// came of it, the pages of the browser, and every argument list on the machine
// meanwhile.
func (w *world) browsed(t *testing.T, plan string, args ...string) (result, []page, []byte) {
	t.Helper()
	report := filepath.Join(t.TempDir(), "report")
	cmd := with(w.cmd(t, append([]string{"login"}, args...)...),
		"BROWSER="+self(t), childVariable+"=browser", planVariable+"="+plan, reportVariable+"="+report)
	arguments := watchArguments()
	r := finish(t, cmd)
	seen := arguments()
	until(t, "the browser's report", func() bool { _, err := os.Stat(report); return err == nil })
	var pages []page
	data, err := os.ReadFile(report)
	if err == nil {
		err = json.Unmarshal(data, &pages)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r, pages, seen
}

// watchArguments collects argument lists until the function it returns is
// called.
func watchArguments() func() []byte {
	stop, done := make(chan struct{}), make(chan []byte)
	go func() {
		seen := map[string]bool{}
		for {
			lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
			for _, line := range lines {
				text, _ := os.ReadFile(line)
				seen[string(text)] = true
			}
			select {
			case <-stop:
				done <- []byte(strings.Join(slices.Collect(maps.Keys(seen)), "\n"))
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
	}()
	return func() []byte { close(stop); return <-done }
}

// guard makes every secret of a client a canary.
func (w *world) guard(t *testing.T, client string, kinds ...string) {
	t.Helper()
	secrets := w.server.secrets(t, client)
	for _, kind := range kinds {
		if len(secrets[kind]) == 0 {
			t.Errorf("the server knows no %s of the client", kind)
		}
	}
	for kind, values := range secrets {
		for _, value := range values {
			w.Watch(kind, value)
		}
	}
}

// quiet fails the test if what was said holds a secret. The page that the
// human was shown is not looked at: it holds the state.
func (w *world) quiet(t *testing.T, r result) {
	t.Helper()
	var said strings.Builder
	for line := range strings.Lines(r.stderr) {
		if !strings.HasPrefix(strings.TrimSpace(line), issuer+"/auth?") {
			said.WriteString(line)
		}
	}
	w.SearchBytes(t, "stderr", []byte(said.String()))
	w.SearchBytes(t, "stdout", []byte(r.stdout))
}

// TestLogin_pkce: the whole main job with nothing on the way out.
func TestLogin_pkce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	log := filepath.Join(w.home, "debug.log")
	r, pages, arguments := w.browsed(t, planGarbage, "example", "--client-id", w.client.id, "--verbose", "--log-file", log)
	if r.code != 0 {
		t.Fatalf("login: %s", r)
	}
	listed := w.connections(t, "example")["default"]
	equal(t, "status", listed.Status, "connected")
	equal(t, "account", listed.Account, user)
	equal(t, "scopes", strings.Join(slices.Sorted(slices.Values(listed.Scopes)), " "), "api:read offline_access openid")
	if left := time.Until(*listed.ExpiresAt); left < 500*time.Second || left > 600*time.Second {
		t.Errorf("expires in %v, want just under 600 s", left)
	}

	curl := w.do(t, "run", "--", "curl", "-sS", "-w", " %{http_code}", resource+"things")
	equal(t, "curl", curl.stdout, fmt.Sprintf("{%q: %q} 200", "login", user))
	got := w.WaitFor(t, patience, func(r record) bool { return r.Host == "api.example.test" && r.Target == "/things" })
	equal(t, "the API got the token", got.Get("Authorization") == "Bearer "+w.server.last(t, w.client.id, "AccessToken"), true)
	equal(t, "refreshes", w.server.refreshes(t, w.client.id), 0)

	w.guard(t, w.client.id, "AuthorizationCode", "AccessToken", "RefreshToken", "code_verifier", "state", "id_token")
	w.quiet(t, r)
	w.quiet(t, curl)
	w.SearchBytes(t, "an argument list", arguments)
	w.Search(t, w.Dir())
	if data, err := os.ReadFile(log); err != nil || len(data) == 0 {
		t.Errorf("the log that was to be searched: %d bytes, %v", len(data), err)
	}
	w.callbackPages(t, pages)
}

// callbackPages looks at what the redirect endpoint showed: each hostile
// request was turned away, only the last page says that it worked, and no page
// holds a secret or may load or run anything.
func (w *world) callbackPages(t *testing.T, pages []page) {
	t.Helper()
	local := slices.DeleteFunc(slices.Clone(pages), func(p page) bool { return !strings.HasPrefix(p.URL, "http://127.0.0.1:") })
	if len(local) < 10 {
		t.Fatalf("the browser saw %d pages of the redirect endpoint", len(local))
	}
	for i, p := range local {
		w.SearchBytes(t, "the source of a page", []byte(p.Body))
		lacks(t, "a page", p.Body, "evil", "<script", "http://", "https://")
		contains(t, "policy", p.Header.Get("Content-Security-Policy"), "default-src 'none'", "frame-ancestors 'none'")
		equal(t, "cache", p.Header.Get("Cache-Control"), "no-store")
		equal(t, "referrer", p.Header.Get("Referrer-Policy"), "no-referrer")
		last := i == len(local)-1
		if !last && i > 0 && p.Status < 400 {
			t.Errorf("a hostile request, %s, was answered %d", p.Method, p.Status)
		}
		if says := strings.Contains(p.Body, "Logged in to Example"); says != last {
			t.Errorf("page %d of %d says that it worked: %v", i+1, len(local), says)
		}
	}
	equal(t, "the last page", local[len(local)-1].Status, http.StatusOK)
}

// TestLogin_device: approved by another client of the authorization server, by
// nothing but what is on the terminal.
func TestLogin_device(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	start := time.Now()
	a := w.begin(t, "example", "--client-id", w.client.id, "--flow", "device_code", "--json")
	equal(t, "the page", a.shown.String(), issuer+"/device")
	human := w.human(t, planWalk)
	human.answer["user_code"] = userCode(t, a)
	done, err := human.visit(t.Context(), a.shown.String())
	if err != nil || done.Status != 200 {
		t.Fatalf("approve: %v %d %s", err, done.Status, done.Body)
	}
	r := a.end(t)
	if r.code != 0 {
		t.Fatalf("login: %s", r)
	}
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("it took %v", took)
	}
	decoder := json.NewDecoder(strings.NewReader(r.stdout))
	var document map[string]any
	if err := decoder.Decode(&document); err != nil || decoder.More() {
		t.Errorf("stdout is not one JSON document: %v\n%s", err, r.stdout)
	}
	equal(t, "status", document["status"], any("success"))
	equal(t, "account", w.connections(t, "example")["default"].Account, user)
	token, _ := w.token(t, "example")
	w.server.alive(t, "the token", token, true)
	polls := len(w.server.token(t, w.client.id, "urn:ietf:params:oauth:grant-type:device_code"))
	if limit := int(time.Since(start)/(5*time.Second)) + 1; polls < 1 || polls > limit {
		t.Errorf("%d polls, want 1 to %d", polls, limit)
	}
	w.guard(t, w.client.id, "DeviceCode", "AccessToken", "RefreshToken")
	w.quiet(t, r)
	w.Search(t, w.Dir())
}

// userCode finds the code among the lines on the terminal.
func userCode(t *testing.T, a *attempt) string {
	t.Helper()
	for line := range strings.Lines(a.stderr.String()) {
		if code := strings.TrimSpace(line); len(code) == 9 && code[4] == '-' {
			return code
		}
	}
	t.Fatalf("no user code: %s", a.stderr.String())
	return ""
}

// TestLogin_dcr: from the API's address alone; a client that is there is used
// again, one that the server has forgotten is registered anew.
func TestLogin_dcr(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.define(t, "bare", map[string]any{
		"resource": resource, "supports_dcr": true, "issuer": nil, "authorization_url": nil, "token_url": nil, "revocation_url": nil,
		"device_authorization_url": nil, "scopes": nil, "authorization_params": nil, "token_endpoint_auth_method": nil,
		"supports_device_flow": nil, "account": nil,
	})
	first := w.dcr(t)
	equal(t, "status", w.status(t, "bare"), "connected")
	curl := w.ok(t, "run", "--", "curl", "-sS", "-w", " %{http_code}", resource+"things")
	equal(t, "curl", curl.stdout, fmt.Sprintf("{%q: %q} 200", "login", user))

	w.server.lifetime(t, first, 1)
	equal(t, "the client of the second login", w.dcr(t, "--force"), first)
	time.Sleep(1100 * time.Millisecond)
	token, r := w.token(t, "bare")
	if token == "" {
		t.Fatalf("refresh: %s", r)
	}
	equal(t, "refreshes", w.server.refreshes(t, first), 1)

	w.server.forget(t, "Client", first)
	time.Sleep(1100 * time.Millisecond)
	_, r = w.token(t, "bare")
	equal(t, "export with a client that is forgotten", r.code, exitRefresh)
	contains(t, "the way out", r.stderr, "authsome login bare")
	equal(t, "status", w.status(t, "bare"), "expired")

	second := w.dcr(t)
	if second == first {
		t.Error("the client that was forgotten is used again")
	}
	equal(t, "status", w.status(t, "bare"), "connected")
	w.guard(t, first, "AccessToken", "RefreshToken", "RegistrationAccessToken")
	w.guard(t, second, "AccessToken", "RefreshToken", "RegistrationAccessToken")
	w.quiet(t, r)
	w.Search(t, w.Dir())
}

// dcr logs in to provider bare and returns the client's id.
func (w *world) dcr(t *testing.T, args ...string) string {
	t.Helper()
	a := w.begin(t, append([]string{"bare"}, args...)...)
	equal(t, "the resource asked for", a.shown.Query().Get("resource"), resource)
	p := w.approve(t, a)
	if r := a.end(t); r.code != 0 {
		t.Fatalf("login: %s\nthe page: %d %s", r, p.Status, p.Body)
	}
	return a.shown.Query().Get("client_id")
}

// TestLogin_clientCredentials: a machine logs in and stays so without anybody.
func TestLogin_clientCredentials(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.define(t, "machine", map[string]any{
		"token_endpoint_auth_method": "client_secret_basic", "supports_client_credentials": true, "scopes": []string{"api:read"}, "account": nil,
	})
	robot := w.server.register(t, "client_credentials")
	w.Watch("client secret", robot.secret)
	w.server.lifetime(t, robot.id, 1)
	cmd := w.cmd(t, "login", "machine", "--flow", "client_credentials", "--client-id", robot.id, "--client-secret-stdin")
	cmd.Stdin = bytes.NewBufferString(robot.secret + "\n")
	r := finish(t, cmd)
	if r.code != 0 {
		t.Fatalf("login: %s", r)
	}
	equal(t, "scopes", strings.Join(w.connections(t, "machine")["default"].Scopes, " "), "api:read")
	time.Sleep(1100 * time.Millisecond)
	w.server.lifetime(t, robot.id, 600)
	curl := w.ok(t, "run", "--", "curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", resource+"things")
	equal(t, "curl", curl.stdout, "200")
	equal(t, "token requests", len(w.server.token(t, robot.id, "client_credentials")), 2)
	w.guard(t, robot.id, "ClientCredentials")
	w.quiet(t, r)
	w.Search(t, w.Dir())
}

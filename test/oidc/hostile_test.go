//go:build linux

package oidc_test

import (
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestHostile_O001_state: a response without the right state is turned away,
// changes nothing, and the login goes on.
func TestHostile_O001_state(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	previous := w.begin(t, "example", "--client-id", w.client.id)
	interrupt(t, previous, syscall.SIGINT)
	a := w.begin(t, "example", "--client-id", w.client.id)
	state := a.state()
	for name, query := range map[string]string{
		"wrong":             "code=c0de&state=wr0ng",
		"missing":           "code=c0de",
		"empty":             "code=c0de&state=",
		"of_previous_login": "code=c0de&state=" + previous.state(),
		"other_case":        "code=c0de&state=" + swapCase(state),
		"twice":             "code=c0de&state=" + state + "&state=" + state,
		"twice_and_wrong":   "code=c0de&state=wr0ng&state=" + state,
		"code_twice":        "code=c0de&code=c0de&state=" + state,
		"code_and_error":    "code=c0de&error=access_denied&state=" + state,
		"markup":            "code=<script>c0de</script>&state=<script>wr0ng</script>",
	} {
		t.Run(name, func(t *testing.T) {
			p := w.get(t, a.callback(query))
			equal(t, "status", p.Status, http.StatusBadRequest)
			lacks(t, "the page", p.Body, "c0de", "wr0ng", "<script", state)
			a.waiting(t)
		})
	}
	equal(t, "exchanges", len(w.server.token(t, w.client.id, "authorization_code")), 0)
	equal(t, "status", w.status(t, "example"), "")
	w.approve(t, a)
	if r := a.end(t); r.code != 0 {
		t.Errorf("login: %s", r)
	}
}

func swapCase(s string) string {
	return strings.Map(func(r rune) rune {
		if strings.ToUpper(string(r)) == string(r) {
			return []rune(strings.ToLower(string(r)))[0]
		}
		return []rune(strings.ToUpper(string(r)))[0]
	}, s)
}

// TestHostile_O002_junk: a thousand requests that are none, then the right one.
func TestHostile_O002_junk(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.begin(t, "example", "--client-id", w.client.id)
	redirect, err := url.Parse(a.callback(""))
	if err != nil {
		t.Fatal(err)
	}
	origin := "http://" + redirect.Host
	human := w.human(t, planWalk)
	for i := range 1000 {
		target := []string{"/favicon.ico", redirect.Path, "/", redirect.Path + "/", redirect.Path + "?state=", "/robots.txt"}[i%6]
		method := []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodOptions, http.MethodTrace}[i%5]
		p, err := human.load(t.Context(), method, origin+target, nil)
		if err != nil || p.Status < 400 {
			t.Fatalf("%s %s: %v %d", method, target, err, p.Status)
		}
	}
	a.waiting(t)
	w.approve(t, a)
	if r := a.end(t); r.code != 0 {
		t.Errorf("login: %s", r)
	}
}

// TestHostile_O003_words: what a hostile server says is shown as its words, in
// the browser without markup, on the terminal without control characters.
func TestHostile_O003_words(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.begin(t, "example", "--client-id", w.client.id)
	p := w.get(t, a.callback(url.Values{
		"state": {a.state()}, "iss": {issuer}, "error": {"access_denied"},
		"error_description": {"<script>alert(1)</script><img src=x onerror=alert(1)>\x1b[2J\x1b]0;owned\x07\r\nauthsome: all is well\u202e"},
		"error_uri":         {"javascript:alert(1)"},
	}.Encode()))
	equal(t, "status", p.Status, http.StatusBadRequest)
	contains(t, "policy", p.Header.Get("Content-Security-Policy"), "default-src 'none'")
	contains(t, "the page", p.Body, "Not logged in to Example")
	lacks(t, "the page", p.Body, "<script", "<img", "\x1b", "\x07", "javascript:", "\u202e", a.state())
	r := a.end(t)
	equal(t, "exit", r.code, exitLogin)
	lacks(t, "the terminal", r.stdout+r.stderr, "\x1b", "\x07", "\r", "\u202e", "\nauthsome: all is well", "javascript:")
	equal(t, "status", w.status(t, "example"), "")
	equal(t, "exchanges", len(w.server.token(t, w.client.id, "authorization_code")), 0)
}

// TestHostile_O003_cancelled: the human presses Cancel on the server's page.
func TestHostile_O003_cancelled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r, pages, _ := w.browsed(t, planCancel, "example", "--client-id", w.client.id)
	equal(t, "exit", r.code, exitLogin)
	contains(t, "stderr", r.stderr, "denied", "authsome login example")
	last := pages[len(pages)-1]
	contains(t, "the page", last.Body, "Not logged in to Example")
	equal(t, "status", w.status(t, "example"), "")
}

// TestHostile_O014_iss: a response in the name of another server (RFC 9207).
func TestHostile_O014_iss(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.begin(t, "example", "--client-id", w.client.id)
	p := w.get(t, a.callback("code=c0de&state="+a.state()+"&iss=https%3A%2F%2Fauth.evil.test"))
	equal(t, "status", p.Status, http.StatusBadRequest)
	lacks(t, "the page", p.Body, "c0de", a.state())
	r := a.end(t)
	equal(t, "exit", r.code, exitLogin)
	equal(t, "status", w.status(t, "example"), "")
	equal(t, "exchanges", len(w.server.token(t, w.client.id, "authorization_code")), 0)
}

// TestHostile_O007_code: a code that the server does not know, does not know
// any more, or gave to another client.
func TestHostile_O007_code(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := w.server.register(t)
	w.define(t, "other", nil)
	for name, code := range map[string]func(*testing.T) string{
		"unknown":             func(*testing.T) string { return "c0de" },
		"of_other_client":     func(t *testing.T) string { return w.stolen(t, other.id) },
		"O009_of_other_login": func(t *testing.T) string { return w.stolen(t, w.client.id) },
	} {
		t.Run(name, func(t *testing.T) {
			a := w.begin(t, "example", "--client-id", w.client.id)
			before := len(w.server.secrets(t, w.client.id)["AccessToken"])
			p := w.get(t, a.callback(url.Values{"code": {code(t)}, "state": {a.state()}, "iss": {issuer}}.Encode()))
			equal(t, "status", p.Status, http.StatusBadRequest)
			contains(t, "the page", p.Body, "Not logged in to Example")
			r := a.end(t)
			equal(t, "exit", r.code, exitLogin)
			equal(t, "tokens issued", len(w.server.secrets(t, w.client.id)["AccessToken"])-before, 0)
			equal(t, "status", w.status(t, "example"), "")
			w.guard(t, w.client.id)
			w.quiet(t, r)
			w.Search(t, w.Dir())
		})
	}
}

// stolen is a good code that was given to another login.
func (w *world) stolen(t *testing.T, client string) string {
	t.Helper()
	a := w.begin(t, "other", "--client-id", client)
	human := w.human(t, planWalk)
	// All of the walk but the last step: the redirect endpoint is gone.
	interrupt(t, a, syscall.SIGKILL)
	_, err := human.visit(t.Context(), a.shown.String())
	if err == nil {
		t.Fatal("the redirect endpoint of a dead process answered")
	}
	location, err := url.Parse(human.pages[len(human.pages)-1].Header.Get("Location"))
	if err != nil || location.Query().Get("code") == "" {
		t.Fatalf("no code: %v", err)
	}
	return location.Query().Get("code")
}

// TestHostile_O009_fixation: another user's process sends a good code of its
// own to the callback. It does not know the state.
func TestHostile_O009_fixation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.define(t, "other", nil)
	code := w.stolen(t, w.client.id)
	a := w.begin(t, "example", "--client-id", w.client.id)
	if len(a.state()) < 22 {
		t.Errorf("a state of %d characters has less than 128 bits", len(a.state()))
	}
	for _, state := range []string{"", "&state=", "&state=" + strings.Repeat("A", len(a.state()))} {
		p := w.get(t, a.callback("code="+code+"&iss="+url.QueryEscape(issuer)+state))
		equal(t, "status", p.Status, http.StatusBadRequest)
	}
	a.waiting(t)
	w.approve(t, a)
	if r := a.end(t); r.code != 0 {
		t.Errorf("login: %s", r)
	}
}

// TestHostile_O008_listener: on loopback only, by its own name only, and for
// one answer.
func TestHostile_O008_listener(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.begin(t, "example", "--client-id", w.client.id)
	redirect, err := url.Parse(a.callback(""))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "host", redirect.Hostname(), "127.0.0.1")
	for _, other := range addresses(t) {
		if conn, err := net.DialTimeout("tcp", net.JoinHostPort(other, redirect.Port()), time.Second); err == nil {
			_ = conn.Close()
			t.Errorf("it listens on %s", other)
		}
	}
	r, err := http.NewRequest(http.MethodGet, a.callback("code=c0de&state="+a.state()), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"evil.test", "localhost:" + redirect.Port(), "evil.test:" + redirect.Port(), "127.0.0.1"} {
		r.Host = name
		resp, err := w.reach.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		equal(t, "status for "+name, resp.StatusCode, http.StatusMisdirectedRequest)
	}
	a.waiting(t)
	w.approve(t, a)
	if r := a.end(t); r.code != 0 {
		t.Errorf("login: %s", r)
	}
	freed(t, a)
}

// addresses are those of this machine that are not 127.0.0.1.
func addresses(t *testing.T) []string {
	t.Helper()
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	others := []string{"127.0.0.2"}
	for _, address := range all {
		if ip, ok := address.(*net.IPNet); ok && !ip.IP.IsLoopback() && !ip.IP.IsLinkLocalUnicast() {
			others = append(others, ip.IP.String())
		}
	}
	return others
}

// freed fails the test unless the port of the redirect endpoint is free.
func freed(t *testing.T, a *attempt) {
	t.Helper()
	redirect, err := url.Parse(a.callback(""))
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", redirect.Host)
	if err != nil {
		t.Errorf("the port is not free: %v", err)
		return
	}
	_ = listener.Close()
}

// TestHostile_O027_interrupted: Ctrl-C, and a terminal that is closed.
func TestHostile_O027_interrupted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, signal := range map[string]syscall.Signal{"ctrl_c": syscall.SIGINT, "hangup": syscall.SIGHUP, "terminated": syscall.SIGTERM} {
		for _, flow := range []string{"pkce", "device_code"} {
			t.Run(name+"_"+flow, func(t *testing.T) {
				a := w.begin(t, "example", "--client-id", w.client.id, "--flow", flow)
				start := time.Now()
				r := interrupt(t, a, signal)
				equal(t, "exit", r.code, exitCancelled)
				if took := time.Since(start); took > 5*time.Second {
					t.Errorf("it took %v", took)
				}
				if flow == "pkce" {
					freed(t, a)
				}
				equal(t, "status", w.status(t, "example"), "")
			})
		}
	}
	equal(t, "tokens issued", len(w.server.secrets(t, w.client.id)["AccessToken"]), 0)
	w.login(t)
}

// TestHostile_O028_force: a login with --force that fails, in whatever way,
// leaves what was there.
func TestHostile_O028_force(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.login(t)
	old, _ := w.token(t, "example")
	for name, c := range map[string]struct {
		code int
		fail func(*testing.T, *attempt) result
	}{
		"cancelled": {exitLogin, func(t *testing.T, a *attempt) result {
			if _, err := w.human(t, planCancel).visit(t.Context(), a.shown.String()); err != nil {
				t.Fatal(err)
			}
			return a.end(t)
		}},
		"code": {exitLogin, func(t *testing.T, a *attempt) result {
			w.get(t, a.callback("code=c0de&state="+a.state()+"&iss="+url.QueryEscape(issuer)))
			return a.end(t)
		}},
		"ctrl_c": {exitCancelled, func(t *testing.T, a *attempt) result { return interrupt(t, a, syscall.SIGINT) }},
		"killed": {128 + 9, func(t *testing.T, a *attempt) result { return interrupt(t, a, syscall.SIGKILL) }},
	} {
		t.Run(name, func(t *testing.T) {
			a := w.begin(t, "example", "--force", "--client-id", w.client.id)
			r := c.fail(t, a)
			equal(t, "exit", r.code, c.code)
			equal(t, "status", w.status(t, "example"), "connected")
			token, _ := w.token(t, "example")
			equal(t, "it is the old token", token == old, true)
			w.server.alive(t, "the old token", token, true)
			w.server.alive(t, "the old grant", w.server.last(t, w.client.id, "RefreshToken"), true)
		})
	}
	curl := w.ok(t, "run", "--", "curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", resource+"things")
	equal(t, "curl", curl.stdout, "200")
}

// TestHostile_O032_two: two logins for one provider at once, and two for its
// two connections. Each gets its own answer, whoever is first.
func TestHostile_O032_two(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.begin(t, "example", "--client-id", w.client.id)
	second := w.begin(t, "example", "--client-id", w.client.id)
	work := w.begin(t, "example", "--client-id", w.client.id, "--connection", "work")
	if first.callback("") == second.callback("") || first.state() == second.state() {
		t.Error("two logins share an address or a state")
	}
	p := w.get(t, second.callback("code=c0de&state="+first.state()))
	equal(t, "status of a response in the wrong place", p.Status, http.StatusBadRequest)
	var all sync.WaitGroup
	for _, a := range []*attempt{second, work, first} {
		human := w.human(t, planWalk)
		all.Go(func() {
			if _, err := human.visit(t.Context(), a.shown.String()); err != nil {
				t.Errorf("approve: %v", err)
			}
		})
	}
	all.Wait()
	for _, a := range []*attempt{first, second, work} {
		if r := a.end(t); r.code != 0 {
			t.Errorf("login: %s", r)
		}
	}
	tokens := map[string]bool{}
	for _, name := range []string{"default", "work"} {
		token, _ := w.token(t, "example", "--connection", name)
		w.server.alive(t, "the token of "+name, token, true)
		tokens[token] = true
	}
	equal(t, "different tokens", len(tokens), 2)
	equal(t, "connections", len(w.connections(t, "example")), 2)
}

package oauth_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"authsome/internal/oauth"
	"authsome/internal/oauth/oauthtest"
	"authsome/internal/secret"
)

// login is a redirect listener in the state of waiting.
type login struct {
	*oauth.Redirect
	state  secret.Text
	codes  atomic.Int32 // how often Finish ran
	finish func(context.Context, secret.Text) error
	result chan error
	cancel context.CancelFunc
}

func waiting(t *testing.T, server oauth.Server, finish func(context.Context, secret.Text) error) *login {
	t.Helper()
	r, err := oauth.ListenRedirect(t.Context(), netip.AddrPort{}, "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	l := &login{Redirect: r, state: oauth.NewState(), finish: finish, result: make(chan error, 1), cancel: cancel}
	await := oauth.Await{Server: server, State: l.state, Finish: func(ctx context.Context, code secret.Text) error {
		l.codes.Add(1)
		if l.finish == nil {
			return nil
		}
		return l.finish(ctx, code)
	}}
	go func() { l.result <- r.Wait(ctx, await) }()
	t.Cleanup(cancel)
	return l
}

// reply is what a browser gets.
type reply struct {
	Status int
	Body   string
}

const (
	ignored   = "This is not the answer to the login that is waiting.\n"
	used      = "This login was answered already.\n"
	succeeded = "Logged in. You can close this page.\n"
	failed    = "The login did not succeed. The terminal says why.\n"
)

func (l *login) send(t *testing.T, method, url, host string) (reply, http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{resp.StatusCode, string(body)}, resp.Header
}

func (l *login) get(t *testing.T, query string) reply {
	t.Helper()
	got, _ := l.send(t, "GET", l.URI()+query, "")
	return got
}

// good is the query of the awaited response.
func (l *login) good() string { return "?code=THE-CODE&state=" + l.state.Reveal() }

// finished checks that the login ended as wanted and that its port is free.
func (l *login) finished(t *testing.T, want error) {
	t.Helper()
	if err := <-l.result; !errors.Is(err, want) {
		t.Errorf("Wait returned %v, want %v", err, want)
	}
	l.free(t)
}

func (l *login) free(t *testing.T) {
	t.Helper()
	u, _ := url.Parse(l.URI())
	listener, err := net.Listen("tcp", u.Host)
	if err != nil {
		t.Fatalf("the port is not free: %v", err)
	}
	listener.Close()
}

// TestRedirectStray is O001 and O002: whatever comes that is not the response
// is answered, ignored, and not repeated in the page.
func TestRedirectStray(t *testing.T) {
	previous := oauth.NewState().Reveal()
	l := waiting(t, oauth.Server{}, nil)
	s := l.state.Reveal()
	for _, test := range []struct {
		name, method, target, host string // target after http://host:port
		status                     int
	}{
		{"O001_wrong_state", "GET", "?code=CANARY&state=" + strings.Repeat("A", 43), "", 400},
		{"O001_missing_state", "GET", "?code=CANARY", "", 400},
		{"O001_empty_state", "GET", "?code=CANARY&state=", "", 400},
		{"O001_previous_state", "GET", "?code=CANARY&state=" + previous, "", 400},
		{"O001_state_in_other_case", "GET", "?code=CANARY&state=" + swapCase(s), "", 400},
		{"O001_duplicated_state", "GET", "?code=CANARY&state=" + s + "&state=" + s, "", 400},
		{"O001_duplicated_differing_state", "GET", "?code=CANARY&state=" + s + "&state=x", "", 400},
		{"O001_state_and_more", "GET", "?code=CANARY&state=" + s + "x", "", 400},
		{"O001_error_without_state", "GET", "?error=access_denied&error_description=CANARY", "", 400},
		{"duplicated_code", "GET", "?code=CANARY&code=x&state=" + s, "", 400},
		{"code_and_error", "GET", "?code=CANARY&error=x&state=" + s, "", 400},
		{"empty_code", "GET", "?code=&state=" + s, "", 400},
		{"empty_error", "GET", "?error=&state=" + s, "", 400},
		{"neither", "GET", "?state=" + s, "", 400},
		{"code_with_line_break", "GET", "?code=CANARY%0a&state=" + s, "", 400},
		{"long_code", "GET", "?code=" + strings.Repeat("x", 9000) + "&state=" + s, "", 400},
		{"malformed_query", "GET", "?code=CANARY;state=" + s, "", 400},
		{"malformed_escape", "GET", "?code=%zz&state=" + s, "", 400},
		{"O002_no_parameters", "GET", "", "", 400},
		{"O002_favicon", "GET", "!/favicon.ico", "", 404},
		{"O002_root", "GET", "!/", "", 404},
		{"O002_other_path", "GET", "!/callback" + l.good(), "", 404},
		{"O002_path_and_slash", "GET", "/" + l.good(), "", 404},
		{"O002_HEAD", "HEAD", l.good(), "", 405},
		{"O002_POST", "POST", l.good(), "", 405},
		{"O002_OPTIONS", "OPTIONS", l.good(), "", 405},
		{"O008_other_host", "GET", l.good(), "evil.test", 421},
		{"O008_host_without_port", "GET", l.good(), "127.0.0.1", 421},
		{"O008_localhost", "GET", l.good(), "localhost:" + port(l.URI()), 421},
	} {
		t.Run(test.name, func(t *testing.T) {
			target := l.URI() + test.target
			if rest, other := strings.CutPrefix(test.target, "!"); other {
				u, _ := url.Parse(l.URI())
				target = "http://" + u.Host + rest
			}
			got, header := l.send(t, test.method, target, test.host)
			want := reply{test.status, ignored}
			if test.method == "HEAD" {
				want.Body = ""
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if header.Get("Content-Security-Policy") == "" || header.Get("Cache-Control") != "no-store" {
				t.Error(header)
			}
		})
	}
	t.Run("O002_a_thousand", func(t *testing.T) {
		for i := range 1000 {
			if got := l.get(t, fmt.Sprintf("?code=%d&state=%d", i, i)); got != (reply{400, ignored}) {
				t.Fatal(got)
			}
		}
	})
	t.Run("O002_not_HTTP", func(t *testing.T) {
		for _, junk := range []string{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", strings.Repeat("x", 100<<10)} {
			u, _ := url.Parse(l.URI())
			conn, err := net.Dial("tcp", u.Host)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.WriteString(conn, junk)
			_ = conn.(*net.TCPConn).CloseWrite()
			_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
			answer, _ := bufio.NewReader(conn).ReadString('\n')
			if strings.Contains(answer, "200") {
				t.Errorf("%.20q: %s", junk, answer)
			}
			conn.Close()
		}
	})
	if n := l.codes.Load(); n != 0 {
		t.Fatalf("%d codes were exchanged", n)
	}
	if got := l.get(t, l.good()); got != (reply{200, succeeded}) || l.codes.Load() != 1 {
		t.Errorf("the right response got %v", got)
	}
	l.finished(t, nil)
}

func swapCase(s string) string {
	swapped := strings.ToUpper(s)
	if swapped == s {
		swapped = strings.ToLower(s)
	}
	return swapped
}

func port(uri string) string {
	u, _ := url.Parse(uri)
	return u.Port()
}

// TestO003_error_response: a refusal ends the login with an *Error that is
// safe to print, and the page repeats nothing of it by itself.
func TestO003_error_response(t *testing.T) {
	l := waiting(t, oauth.Server{}, nil)
	got, header := l.send(t, "GET", l.URI()+"?error=access_denied&error_description=%3Cscript%3Ealert(1)%3C/script%3E%1b%5b31m&error_uri=javascript:alert(1)&state="+l.state.Reveal(), "")
	if got != (reply{400, failed}) {
		t.Error(got)
	}
	want := http.Header{
		"Content-Security-Policy":      {"default-src 'none'; style-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
		"Cache-Control":                {"no-store"},
		"Referrer-Policy":              {"no-referrer"},
		"X-Content-Type-Options":       {"nosniff"},
		"X-Frame-Options":              {"DENY"},
		"Cross-Origin-Opener-Policy":   {"same-origin"},
		"Cross-Origin-Resource-Policy": {"same-origin"},
		"Content-Type":                 {"text/plain; charset=utf-8"},
	}
	header.Del("Date")
	header.Del("Content-Length")
	if diff := cmp.Diff(want, header); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	err := <-l.result
	refused, ok := errors.AsType[*oauth.Error](err)
	if !ok {
		t.Fatal(err)
	}
	if diff := cmp.Diff(oauth.Error{Code: "access_denied", Description: "<script>alert(1)</script> [31m"}, *refused); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if l.codes.Load() != 0 {
		t.Error("something was exchanged")
	}
	l.free(t)
}

// TestRedirectPage: the page is written after the exchange, with its outcome,
// and its style is allowed by its hash.
func TestRedirectPage(t *testing.T) {
	boom := errors.New("no <b>luck</b>")
	for _, test := range []struct {
		name   string
		err    error
		status int
		body   string
	}{{"success", nil, 200, "<p>done"}, {"O007_failed_exchange", boom, 400, "<p>failed"}} {
		r, err := oauth.ListenRedirect(t.Context(), netip.AddrPort{}, "")
		if err != nil {
			t.Fatal(err)
		}
		state, exchanged := oauth.NewState(), make(chan struct{})
		var early atomic.Bool
		await := oauth.Await{
			State: state, Style: "p{color:red}",
			Finish: func(_ context.Context, code secret.Text) error {
				time.Sleep(50 * time.Millisecond)
				close(exchanged)
				return test.err
			},
			Page: func(o oauth.Outcome) []byte {
				select {
				case <-exchanged:
				default:
					early.Store(true)
				}
				if o.Status == oauth.Failed && errors.Is(o.Err, boom) {
					return []byte("<p>failed")
				}
				return []byte("<p>done")
			},
		}
		result := make(chan error, 1)
		go func() { result <- r.Wait(t.Context(), await) }()
		l := &login{Redirect: r, state: state}
		got, header := l.send(t, "GET", r.URI()+l.good(), "")
		if got != (reply{test.status, test.body}) || early.Load() {
			t.Errorf("%s: %v, early %v", test.name, got, early.Load())
		}
		if csp := header.Get("Content-Security-Policy"); !strings.Contains(csp, "; style-src 'sha256-p0bF+un5yUb9MBO6xRb8kPHlY2BdpHVtLiFkDrZPF64='; ") || header.Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("%s: %s", test.name, header)
		}
		if err := <-result; !errors.Is(err, test.err) {
			t.Errorf("%s: %v", test.name, err)
		}
		l.free(t)
	}
}

// TestO008_single_success: of many right responses at once one is exchanged.
func TestO008_single_success(t *testing.T) {
	hold := make(chan struct{})
	l := waiting(t, oauth.Server{}, func(context.Context, secret.Text) error { <-hold; return nil })
	replies := make(chan reply, 20)
	for range 20 {
		go func() { replies <- l.get(t, l.good()) }()
	}
	for range 19 {
		if got := <-replies; got != (reply{410, used}) {
			t.Error(got)
		}
	}
	close(hold)
	if got := <-replies; got != (reply{200, succeeded}) {
		t.Error(got)
	}
	l.finished(t, nil)
	if n := l.codes.Load(); n != 1 {
		t.Errorf("%d exchanges", n)
	}
}

// TestO008_listener: loopback only, a random port and path unless given.
func TestO008_listener(t *testing.T) {
	seen := map[string]bool{}
	for range 5 {
		r, err := oauth.ListenRedirect(t.Context(), netip.AddrPort{}, "")
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		u, err := url.Parse(r.URI())
		if err != nil || u.Scheme != "http" || u.Hostname() != "127.0.0.1" || len(u.Path) != 44 || seen[u.Path] || seen[u.Port()] {
			t.Errorf("%s", r.URI())
		}
		seen[u.Path], seen[u.Port()] = true, true
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := netip.MustParseAddrPort(free.Addr().String())
	if _, err := oauth.ListenRedirect(t.Context(), addr, "/callback"); err == nil {
		t.Error("a port in use was taken")
	}
	free.Close()
	r, err := oauth.ListenRedirect(t.Context(), addr, "/callback")
	if err != nil || r.URI() != "http://"+addr.String()+"/callback" {
		t.Fatalf("%v", err)
	}
	r.Close()
	for _, test := range []struct{ addr, path string }{
		{"0.0.0.0:0", ""}, {"192.0.2.1:0", ""}, {"[::]:0", ""}, {"127.0.0.1:0", "callback"}, {"127.0.0.1:0", "/a b"}, {"127.0.0.1:0", "/a?b"}, {"127.0.0.1:0", "/a%2fb"},
	} {
		if r, err := oauth.ListenRedirect(t.Context(), netip.MustParseAddrPort(test.addr), test.path); err == nil {
			t.Errorf("%v was accepted: %s", test, r.URI())
			r.Close()
		}
	}
}

// TestO027_cancel: the context ends the login, also during the exchange, and
// frees the port; so does Close without Wait.
func TestO027_cancel(t *testing.T) {
	l := waiting(t, oauth.Server{}, nil)
	l.cancel()
	l.finished(t, context.Canceled)

	started := make(chan struct{})
	l = waiting(t, oauth.Server{}, func(ctx context.Context, _ secret.Text) error {
		close(started)
		<-ctx.Done()
		return ctx.Err()
	})
	got := make(chan reply, 1)
	go func() { got <- l.get(t, l.good()) }()
	<-started
	l.cancel()
	l.finished(t, context.Canceled)
	if page := <-got; page != (reply{400, failed}) {
		t.Error(page)
	}

	r, err := oauth.ListenRedirect(t.Context(), netip.AddrPort{}, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(r.Close(), r.Close()); err != nil {
		t.Error(err)
	}
	(&login{Redirect: r}).free(t)
	if err := r.Wait(t.Context(), oauth.Await{}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Wait after Close: %v", err)
	}
}

// TestSlowVisitors: connections that say nothing don't keep the login from its
// end.
func TestSlowVisitors(t *testing.T) {
	l := waiting(t, oauth.Server{}, nil)
	u, _ := url.Parse(l.URI())
	for i := range 50 {
		conn, err := net.Dial("tcp", u.Host)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if i%2 == 0 { // the others are what a browser opens in advance
			_, _ = io.WriteString(conn, "GET / HT")
		}
	}
	start := time.Now()
	if got := l.get(t, l.good()); got != (reply{200, succeeded}) {
		t.Error(got)
	}
	l.finished(t, nil)
	if took := time.Since(start); took > time.Second {
		t.Errorf("took %v", took)
	}
}

// TestOpen: the browser is led to the authorization URL once.
func TestOpen(t *testing.T) {
	l := waiting(t, oauth.Server{}, nil)
	const target = "https://as.example/authorize?state=CANARY"
	start := l.Open(target)
	if strings.Contains(start, "CANARY") {
		t.Error(start)
	}
	got, _ := l.send(t, "HEAD", start, "")
	if got.Status != 405 {
		t.Error(got)
	}
	got, header := l.send(t, "GET", start, "")
	if got.Status != 303 || header.Get("Location") != target || header.Get("Referrer-Policy") != "no-referrer" {
		t.Error(got, header)
	}
	if got, _ = l.send(t, "GET", start, ""); got != (reply{410, ignored}) {
		t.Error(got)
	}
}

// TestO032_two_logins: each response arrives at its own login.
func TestO032_two_logins(t *testing.T) {
	s := oauthtest.Start(t)
	client := &oauth.Client{Transport: s.Transport(), LoopbackHTTP: true}
	meta, err := client.Discover(t.Context(), s.Issuer)
	if err != nil {
		t.Fatal(err)
	}
	results := make(chan error, 2)
	var tokens [2]oauth.Token
	var urls [2]string
	for i := range 2 {
		r, err := oauth.ListenRedirect(t.Context(), netip.AddrPort{}, "")
		if err != nil {
			t.Fatal(err)
		}
		state, verifier := oauth.NewState(), oauth.NewVerifier()
		urls[i], err = client.AuthorizationURL(meta, public, oauth.AuthorizationRequest{RedirectURI: r.URI(), State: state, Verifier: verifier})
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			results <- r.Wait(t.Context(), oauth.Await{Server: meta, State: state, Finish: func(ctx context.Context, code secret.Text) (err error) {
				tokens[i], err = client.Exchange(ctx, meta, public, oauth.CodeGrant{Code: code, RedirectURI: r.URI(), Verifier: verifier})
				return err
			}})
		}()
	}
	for i := 1; i >= 0; i-- {
		if status, page, err := s.Browse(t.Context(), urls[i]); status != 200 || page != succeeded || err != nil {
			t.Errorf("%d %q %v", status, page, err)
		}
	}
	if err := errors.Join(<-results, <-results); err != nil {
		t.Fatal(err)
	}
	for i, token := range tokens {
		if !s.Active(token.AccessToken.Reveal()) {
			t.Errorf("login %d has no token", i)
		}
	}
	if tokens[0].AccessToken.Equal(tokens[1].AccessToken) {
		t.Error("both logins have one token")
	}
}

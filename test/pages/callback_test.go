//go:build linux

package pages_test

import (
	"html"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"authsome/internal/oauth/oauthtest"
)

const issuer = "https://auth.example.test"

// definition is a provider whose authorization server is the lab's.
const definition = `{
	"schema_version": 1, "name": "example", "display_name": "Example", "auth_type": "oauth2", "flow": "pkce",
	"host_url": "api.example.test",
	"oauth": {
		"issuer": "` + issuer + `", "authorization_url": "` + issuer + `/authorize", "token_url": "` + issuer + `/token",
		"scopes": ["read"], "pkce": true, "token_endpoint_auth_method": "none"
	},
	"export": {"env": {"access_token": ["EXAMPLE_TOKEN"]}}
}`

// newExample is a world with an authorization server that asks for consent
// before it goes on as given: its own way when decided is nil.
func newExample(t *testing.T, decided oauthtest.Step) (*world, *oauthtest.Server) {
	t.Helper()
	w, s := newWorld(t), oauthtest.New(issuer)
	if decided == nil {
		decided = oauthtest.Normal
	}
	s.Script(oauthtest.Authorize, consent, decided)
	w.Handle("auth.example.test/", s)
	w.Handle("auth.example.test"+oauthtest.Authorize, s)
	file := filepath.Join(w.Dir(), "example.json")
	if err := os.WriteFile(file, []byte(definition), 0o600); err != nil {
		t.Fatal(err)
	}
	p := w.start(t, "register", "--yes", file)
	if code := w.end(t, p); code != 0 {
		t.Fatalf("register: exit %d: %s", code, p.stderr.String())
	}
	return w, s
}

// consent is the page on which the human goes on, as on any site.
func consent(http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, `<!doctype html><title>Consent</title><a href="`+html.EscapeString(r.URL.RequestURI())+`">Go on</a>`)
	})
}

// denied sends the browser back with an error (RFC 6749 section 4.1.2.1).
func denied(description string) oauthtest.Step {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			q := r.URL.Query()
			back := url.Values{
				"error": {"access_denied"}, "error_description": {description}, "error_uri": {"javascript:alert(1)"},
				"state": q["state"], "iss": {issuer},
			}
			http.Redirect(w, r, q.Get("redirect_uri")+"?"+back.Encode(), http.StatusFound)
		})
	}
}

// guard makes the server's secrets canaries.
func (w *world) guard(s *oauthtest.Server) {
	for _, secret := range s.Secrets() {
		w.Watch("a secret of the server", secret)
	}
}

// TestCallback: the client's ID is asked for with a form, and the page that
// tells of the login comes when there is one.
func TestCallback(t *testing.T) {
	t.Parallel()
	w, s := newExample(t, nil)
	var traded atomic.Int64 // when the token was given, in ns
	s.Script(oauthtest.Token, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Second)
			traded.Store(time.Now().UnixNano())
			next.ServeHTTP(rw, r)
		})
	})
	p := w.start(t, "login", "example")
	asked := w.drive(t, w.visit(t, 0), look("client-form"), typed("app"), key("Enter"), look("client-done")).view(t, "client-form")
	equal(t, "type", asked.Type, "text")
	equal(t, "focus", asked.Focus, "answer")

	address := w.visit(t, 1)
	r := w.drive(t, address, link("Go on"), look("login-success"))
	equal(t, "exit code", w.end(t, p), 0)
	equal(t, "status", w.status(t, "example"), "connected")
	v := r.view(t, "login-success")
	equal(t, "the end", v.Headings, []string{"Logged in to Example"})
	r.staysAt(t, origin(t, address), issuer)
	last := r.Answers[len(r.Answers)-1]
	equal(t, "the last page's address", last.URL, v.URL)
	if early := time.Unix(0, traded.Load()).Sub(last.At); traded.Load() == 0 || early > 0 {
		t.Errorf("the page was there %v before the token", early)
	}
	w.guard(s)
	w.SearchBytes(t, "the page", []byte(v.Source))
	w.Search(t, w.home)
}

// TestCallback_failed: the human is told why, in text, and nothing is kept.
func TestCallback_failed(t *testing.T) {
	for _, c := range []struct {
		name    string
		decided oauthtest.Step
		traded  oauthtest.Step
		says    string
	}{
		{name: "login-failure", decided: denied("You chose not to allow this."), says: "You chose not to allow this."},
		{name: "O003_markup", decided: denied(`<script>alert(1)</script><h1>Logged in</h1>`), says: `<script>alert(1)</script><h1>Logged in</h1>`},
		{name: "code-refused", traded: oauthtest.Refuse(http.StatusBadRequest, "invalid_grant", "The code has expired."), says: "The code has expired."},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w, s := newExample(t, c.decided)
			if c.traded != nil {
				s.Script(oauthtest.Token, c.traded)
			}
			p := w.start(t, "login", "example", "--client-id", "app")
			address := w.visit(t, 0)
			r := w.drive(t, address, link("Go on"), look(c.name), attack())
			equal(t, "exit code", w.end(t, p), exitLogin)
			equal(t, "status", w.status(t, "example"), "")
			v := r.view(t, c.name)
			equal(t, "the end", v.Headings, []string{"Not logged in to Example"})
			if !strings.Contains(v.Text, c.says) {
				t.Errorf("the page does not say %q: %s", c.says, v.Text)
			}
			lacks(t, "the page", v.Source, "javascript:")
			r.staysAt(t, origin(t, address), issuer)
			r.noScripts(t)
		})
	}
}

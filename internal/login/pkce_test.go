package login_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"authsome/internal/credential"
	"authsome/internal/login"
	"authsome/internal/oauth/oauthtest"
	"authsome/internal/provider"
	"authsome/internal/secret"
)

var whole = obtained{
	Flow: provider.FlowPKCE, Account: "someone", Scopes: []string{"read", "write"}, Active: true, Refreshable: true, Expires: true,
}

func TestPKCE(t *testing.T) {
	w := newWorld(t)
	h := &human{w: w}
	result, err := w.run(w.request(h))
	if err != nil {
		t.Fatal(err)
	}
	w.check(result, whole)
	if result.Client != nil {
		t.Errorf("the definition's own client is to be kept: %+v", result.Client)
	}
	if h.status != http.StatusOK || !strings.Contains(h.page, "Logged in to Acme") {
		t.Errorf("page %d: %s", h.status, h.page)
	}
	u, _ := url.Parse(h.visits[0].URL)
	state := u.Query().Get("state")
	for what, text := range map[string]string{"page": h.page, "argument": h.visits[0].Open, "log": w.log.String()} {
		w.clean(what, text)
		if strings.Contains(text, state) {
			t.Errorf("%s holds the state: %s", what, text)
		}
	}
	if uri, _ := url.Parse(redirectURI(t, h.visits[0])); uri.Hostname() != "127.0.0.1" || uri.Path != "/callback" {
		t.Errorf("redirect URI %v", uri)
	}
	free(t, redirectURI(t, h.visits[0]))
}

// TestQuirks: where servers leave the RFCs, by data.
func TestQuirks(t *testing.T) {
	secretApp := oauthtest.App{ID: "mine", Secret: "app-CANARY-secret"}
	withSecret := &login.Client{ID: "mine", Secret: secret.New(secretApp.Secret)}
	for name, c := range map[string]struct {
		change func(*provider.OAuth)
		script []oauthtest.Step
		method string // of a client with a secret
		sent   func(oauthtest.Request) bool
		want   func(*obtained)
	}{
		"json_request": {
			change: func(o *provider.OAuth) { o.TokenRequest = "json" },
			sent:   func(r oauthtest.Request) bool { return strings.HasPrefix(r.Body, "{") },
		},
		"form_answer": {script: []oauthtest.Step{formAnswer}},
		"comma_scopes": {
			change: func(o *provider.OAuth) { o.ScopeSeparator = "," },
			want:   func(o *obtained) { o.Scopes = []string{"read", "write"} },
		},
		"O026_fewer_scopes": {
			script: []oauthtest.Step{oauthtest.Set("scope", "read")},
			want:   func(o *obtained) { o.Scopes, o.Missing = []string{"read"}, []string{"write"} },
		},
		"authed_user": {
			change: func(o *provider.OAuth) { o.AccessTokenPath = "authed_user.access_token" },
			script: []oauthtest.Step{oauthtest.Edit(func(o map[string]any) {
				inner := map[string]any{}
				for name, value := range o {
					inner[name] = value
					delete(o, name)
				}
				o["authed_user"], o["access_token"], o["ok"] = inner, "another-token", true
			})},
		},
		"basic": {
			method: "client_secret_basic",
			change: func(o *provider.OAuth) { o.TokenEndpointAuthMethod = "client_secret_basic" },
			sent:   func(r oauthtest.Request) bool { return r.Header.Get("Authorization") != "" },
		},
		"post": {
			method: "client_secret_post",
			change: func(o *provider.OAuth) { o.TokenEndpointAuthMethod = "client_secret_post" },
			sent:   func(r oauthtest.Request) bool { return r.Form().Get("client_secret") != "" },
		},
		"token_params": {
			change: func(o *provider.OAuth) { o.TokenParams = map[string]string{"audience": "api"} },
			sent:   func(r oauthtest.Request) bool { return r.Form().Get("audience") == "api" },
		},
		"no_expiry_no_refresh": {
			script: []oauthtest.Step{oauthtest.Drop("expires_in", "refresh_token")},
			want:   func(o *obtained) { o.Expires, o.Refreshable = false, false },
		},
		"account_in_answer": {
			change: func(o *provider.OAuth) { o.Account = &provider.Account{Paths: []string{"team.name"}} },
			script: []oauthtest.Step{oauthtest.Set("team", map[string]any{"name": "The \u202eTeam"})},
			want:   func(o *obtained) { o.Account = "The  Team" },
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if c.change != nil {
				c.change(w.definition.OAuth)
			}
			req := w.request(&human{w: w})
			if c.method != "" {
				app := secretApp
				app.AuthMethod = c.method
				w.server.AddApp(app)
				req.Client = withSecret
			}
			w.server.Script(oauthtest.Token, c.script...)
			result, err := w.run(req)
			if err != nil {
				t.Fatal(err)
			}
			want := whole
			if c.want != nil {
				c.want(&want)
			}
			w.check(result, want)
			if got := w.server.Requests(oauthtest.Token); len(got) != 1 || c.sent != nil && !c.sent(got[0]) {
				t.Errorf("token requests: %+v", got)
			}
		})
	}
}

// TestCallbackErrors: what goes wrong is said in the page, escaped, and in the
// error, and nothing is kept.
func TestCallbackErrors(t *testing.T) {
	hostile := url.Values{
		"error": {"access_denied"}, "error_description": {"<script>alert(1)</script>\x1b[31m"}, "error_uri": {"javascript:alert(2)"},
	}
	for name, c := range map[string]struct {
		answer func(state string) url.Values // instead of the server's redirect
		script []oauthtest.Step              // of the token endpoint
		want   error
		page   string
	}{
		"O003_denied": {
			answer: func(string) url.Values { return hostile },
			want:   login.ErrDenied, page: "access_denied: &lt;script&gt;alert(1)&lt;/script&gt; [31m",
		},
		"O007_refused": {
			script: []oauthtest.Step{oauthtest.Refuse(400, "invalid_grant", "the code is <b>used</b>")},
			page:   "invalid_grant: the code is &lt;b&gt;used&lt;/b&gt;",
		},
		"O009_planted_code": { // a code of somebody else's, by somebody who could know the state
			answer: func(string) url.Values { return url.Values{"code": {"code-of-another"}} },
			page:   "invalid_grant",
		},
		"error_with_200": {
			script: []oauthtest.Step{oauthtest.Respond(200, "application/json", `{"error":"bad_verification_code"}`)},
			page:   "bad_verification_code",
		},
		"client_refused": {script: []oauthtest.Step{oauthtest.Refuse(401, "invalid_client", "")}, want: login.ErrClient, page: "invalid_client"},
		"no_token":       {script: []oauthtest.Step{oauthtest.Drop("access_token")}, page: "no access_token"},
		"O011_redirect":  {script: []oauthtest.Step{oauthtest.Redirect(307, "https://evil.test/")}, page: "redirect refused"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.server.Script(oauthtest.Token, c.script...)
			h := &human{w: w}
			if c.answer != nil {
				h.browse = func(ctx context.Context, v login.Visit) (err error) {
					ctx = context.WithoutCancel(ctx)
					u, _ := url.Parse(v.URL)
					query := c.answer(u.Query().Get("state"))
					query.Set("state", u.Query().Get("state"))
					h.status, h.page, err = get(ctx, u.Query().Get("redirect_uri")+"?"+query.Encode())
					return err
				}
			}
			result, err := w.run(w.request(h))
			if err == nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
			if diff := cmp.Diff(login.Result{}.Credential, result.Credential); diff != "" {
				t.Errorf("a failed login has a result: %s", diff)
			}
			if err != nil && strings.ContainsAny(err.Error(), "\x1b\r\n") {
				t.Errorf("error with control characters: %q", err)
			}
			if h.status != http.StatusBadRequest || !strings.Contains(h.page, c.page) || !strings.Contains(h.page, "Not logged in to Acme") {
				t.Errorf("page %d: %s", h.status, h.page)
			}
			w.clean("page", h.page)
			if strings.Contains(h.page, "<script") || strings.Contains(h.page, "javascript:") {
				t.Errorf("page is not escaped: %s", h.page)
			}
			free(t, redirectURI(t, h.visits[0]))
		})
	}
}

func get(ctx context.Context, target string) (status int, body string, err error) {
	status, body, _, err = getHeader(ctx, target)
	return status, body, err
}

// TestCallbackOnce is O008: this machine only, Host checked, one success.
func TestCallbackOnce(t *testing.T) {
	w := newWorld(t)
	h := &human{w: w}
	var stray []int
	h.browse = func(ctx context.Context, v login.Visit) error {
		uri, _ := url.Parse(redirectURI(t, v))
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, uri.String()+"?code=x", nil)
		req.Host = "evil.test:" + uri.Port()
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			return err
		}
		resp.Body.Close()
		stray = append(stray, resp.StatusCode)
		post, err := http.Post(uri.String(), "text/plain", strings.NewReader("state=x")) // S010
		if err != nil {
			return err
		}
		post.Body.Close()
		stray = append(stray, post.StatusCode)
		return h.follow(ctx, v)
	}
	result, err := w.run(w.request(h))
	if err != nil {
		t.Fatal(err)
	}
	w.check(result, whole)
	if diff := cmp.Diff([]int{http.StatusMisdirectedRequest, http.StatusMethodNotAllowed}, stray); diff != "" {
		t.Errorf("stray requests (-want +got):\n%s", diff)
	}
	if _, _, err := get(t.Context(), redirectURI(t, h.visits[0])); err == nil {
		t.Error("the listener is still there")
	}
}

// TestCancel is O027: the port is free and nothing is left.
func TestCancel(t *testing.T) {
	for name, redirect := range map[string]string{"loopback": "http://127.0.0.1/callback", "localhost": "http://localhost/callback"} {
		t.Run("O027_"+name, func(t *testing.T) {
			w := newWorld(t)
			ctx, cancel := context.WithCancel(t.Context())
			h := &human{w: w, browse: func(ctx context.Context, _ login.Visit) error {
				cancel()
				<-ctx.Done()
				return ctx.Err()
			}}
			req := w.request(h)
			req.Client = &login.Client{ID: "app", RedirectURI: redirect}
			done := make(chan error, 1)
			go func() {
				_, err := login.Run(ctx, req)
				done <- err
			}()
			if err := within(t, 5*time.Second, "cancelling", done); !errors.Is(err, login.ErrCancelled) {
				t.Errorf("error %v", err)
			}
			free(t, redirectURI(t, h.visits[0]))
			if got := w.server.Requests(oauthtest.Token); len(got) != 0 {
				t.Errorf("token requests: %+v", got)
			}
		})
	}
}

func TestTimeout(t *testing.T) {
	w := newWorld(t)
	h := &human{w: w, browse: func(context.Context, login.Visit) error { return nil }} // who never comes back
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := login.Run(ctx, w.request(h))
	if !errors.Is(err, login.ErrTimeout) || !strings.Contains(err.Error(), "browser") {
		t.Errorf("error %v", err)
	}
	free(t, redirectURI(t, h.visits[0]))
}

// TestUnshown: a page that can't be shown ends the login at once.
func TestUnshown(t *testing.T) {
	w := newWorld(t)
	broken := errors.New("no terminal")
	_, err := w.run(w.request(&human{w: w, browse: func(context.Context, login.Visit) error { return broken }}))
	if !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}

// TestTwoLogins is O032: each has its own port.
func TestTwoLogins(t *testing.T) {
	w := newWorld(t)
	var arrived, both sync.WaitGroup
	arrived.Add(2)
	results := make([]login.Result, 2)
	for i := range results {
		both.Go(func() {
			h := &human{w: w}
			h.browse = func(ctx context.Context, v login.Visit) error {
				arrived.Done()
				arrived.Wait()
				return h.follow(ctx, v)
			}
			result, err := login.Run(t.Context(), w.request(h))
			if err != nil {
				t.Errorf("login %d: %v", i, err)
			}
			results[i] = result
		})
	}
	both.Wait()
	if results[0].Credential.Field(credential.AccessToken).Equal(results[1].Credential.Field(credential.AccessToken)) {
		t.Error("both logins have the same token")
	}
	for _, result := range results {
		w.check(result, whole)
	}
}

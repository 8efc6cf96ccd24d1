package login_test

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"authsome/internal/login"
	"authsome/internal/oauth"
	"authsome/internal/oauth/oauthtest"
	"authsome/internal/provider"
	"authsome/internal/secret"
)

// dcrWorld is a provider of which nothing is known but its resource.
func dcrWorld(t *testing.T) *world {
	w := newWorld(t)
	w.definition.Flow = provider.FlowDCR
	w.definition.OAuth = &provider.OAuth{Resource: w.server.Issuer + oauthtest.API, SupportsDCR: true, Account: w.definition.OAuth.Account}
	return w
}

func registered(flow string) obtained {
	want := whole
	want.Flow, want.Scopes = flow, []string{"read"}
	return want
}

func TestDCR(t *testing.T) {
	w := dcrWorld(t)
	h := &human{w: w}
	result, err := w.run(w.request(h))
	if err != nil {
		t.Fatal(err)
	}
	w.check(result, registered(provider.FlowDCR))
	c := result.Client
	want := &login.Client{
		ID: c.ID, AuthMethod: oauth.AuthNone, RedirectURI: redirectURI(t, h.visits[0]), Issuer: w.server.Issuer,
		TokenEndpoint: w.server.Issuer + oauthtest.Token, RevocationEndpoint: w.server.Issuer + oauthtest.Revoke,
		AuthorizationEndpoint: w.server.Issuer + oauthtest.Authorize, Resource: w.server.Issuer + oauthtest.API,
		RegistrationURI: w.server.Issuer + oauthtest.Register + "/" + c.ID, RegistrationToken: c.RegistrationToken,
	}
	if diff := cmp.Diff(want, c, cmp.Comparer(secret.Text.Equal)); diff != "" || c.ID == "" || c.RegistrationToken.IsZero() {
		t.Errorf("client (-want +got):\n%s", diff)
	}
	if u, _ := url.Parse(c.RedirectURI); u.Hostname() != "127.0.0.1" || len(u.Path) < 40 {
		t.Errorf("redirect URI %s", c.RedirectURI)
	}
	for _, r := range append(w.server.Requests(oauthtest.Token), w.server.Requests(oauthtest.Authorize)...) {
		query, _ := url.ParseQuery(r.Query)
		if got := r.Form().Get("resource") + query.Get("resource"); got != w.server.Issuer+oauthtest.API {
			t.Errorf("%s: resource %q", r.Path, got)
		}
	}
}

// TestDCRAgain: the second login is by the same client, as long as the server
// knows it and its port is free.
func TestDCRAgain(t *testing.T) {
	for name, c := range map[string]struct {
		between func(*world, *login.Client) func()
		same    bool
		visits  int
	}{
		"same": {same: true, visits: 1},
		"forgotten": {visits: 1, between: func(w *world, c *login.Client) func() {
			w.server.ForgetApp(c.ID)
			return nil
		}},
		"unauthorized": {visits: 1, between: func(w *world, _ *login.Client) func() {
			w.server.Script(oauthtest.Token, oauthtest.Refuse(400, "unauthorized_client", ""))
			return nil
		}},
		"forgotten_meanwhile": {visits: 2, between: func(w *world, _ *login.Client) func() {
			w.server.Script(oauthtest.Token, oauthtest.Normal, oauthtest.Refuse(401, "invalid_client", ""))
			return nil
		}},
		"other_server": {visits: 1, between: func(_ *world, c *login.Client) func() {
			c.Issuer = "https://before.example.com"
			return nil
		}},
		"port_taken": {visits: 1, between: func(w *world, c *login.Client) func() {
			u, _ := url.Parse(c.RedirectURI)
			l, err := net.Listen("tcp", u.Host)
			if err != nil {
				w.t.Fatal(err)
			}
			return func() { l.Close() }
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := dcrWorld(t)
			first, err := w.run(w.request(&human{w: w}))
			if err != nil {
				t.Fatal(err)
			}
			saved := *first.Client
			if c.between != nil {
				if undo := c.between(w, &saved); undo != nil {
					defer undo()
				}
			}
			h := &human{w: w}
			req := w.request(h)
			req.Client = &saved
			second, err := w.run(req)
			if err != nil {
				t.Fatal(err)
			}
			w.check(second, registered(provider.FlowDCR))
			if same := second.Client.ID == saved.ID; same != c.same || len(h.visits) != c.visits {
				t.Errorf("same client: %v, %d visits", same, len(h.visits))
			}
		})
	}
}

// TestDCROwnClient: a client that was given is used, and none registered.
func TestDCROwnClient(t *testing.T) {
	w := dcrWorld(t)
	req := w.request(&human{w: w})
	req.Client = &login.Client{ID: "app"}
	result, err := w.run(req)
	if err != nil {
		t.Fatal(err)
	}
	w.check(result, registered(provider.FlowDCR))
	if result.Client.ID != "app" || len(w.server.Requests(oauthtest.Register)) != 0 {
		t.Errorf("client %+v", result.Client)
	}
}

func TestDCRSecret(t *testing.T) {
	w := dcrWorld(t)
	w.server.Script(oauthtest.Metadata, oauthtest.Set("token_endpoint_auth_methods_supported", []string{"client_secret_post"}))
	result, err := w.run(w.request(&human{w: w}))
	if err != nil {
		t.Fatal(err)
	}
	w.check(result, registered(provider.FlowDCR))
	if result.Client.Secret.IsZero() || result.Client.AuthMethod != oauth.AuthPost {
		t.Errorf("client %+v", result.Client)
	}
}

// TestDCRStatic: all endpoints are in the definition, nothing is discovered.
func TestDCRStatic(t *testing.T) {
	w := newWorld(t)
	w.definition.OAuth.RegistrationEndpoint = w.server.Issuer + oauthtest.Register
	req := w.request(&human{w: w})
	req.Flow = provider.FlowDCR
	result, err := w.run(req)
	if err != nil {
		t.Fatal(err)
	}
	want := whole
	want.Flow = provider.FlowDCR
	w.check(result, want)
	if result.Client.Issuer == "" || len(w.server.Requests(oauthtest.Metadata)) != 0 {
		t.Errorf("client %+v", result.Client)
	}
	if _, err := w.run(login.Request{Definition: w.definition, Flow: provider.FlowDCR, UI: &human{w: w}, Network: w.network, Client: result.Client}); err != nil {
		t.Errorf("again: %v", err)
	}
}

func TestDCRHostile(t *testing.T) {
	for name, c := range map[string]struct {
		path string
		step oauthtest.Step
		want error
	}{
		"O014_other_issuer":      {oauthtest.Metadata, oauthtest.Set("issuer", "https://evil.test"), oauth.ErrIssuer},
		"O014_http_endpoint":     {oauthtest.Metadata, oauthtest.Set("token_endpoint", "http://evil.test/token"), oauth.ErrURL},
		"O014_large":             {oauthtest.Metadata, oauthtest.Set("pad", strings.Repeat("x", 5<<20)), oauth.ErrAnswer},
		"O006_no_S256":           {oauthtest.Metadata, oauthtest.Set("code_challenge_methods_supported", []string{"plain"}), oauth.ErrPKCE},
		"O015_no_client_id":      {oauthtest.Register, oauthtest.Drop("client_id"), oauth.ErrAnswer},
		"O015_control_character": {oauthtest.Register, oauthtest.Set("client_secret", "a\nb"), oauth.ErrAnswer},
		"O015_other_redirect":    {oauthtest.Register, oauthtest.Set("redirect_uris", []string{"https://evil.test/"}), oauth.ErrAnswer},
		"no_registration":        {oauthtest.Metadata, oauthtest.Drop("registration_endpoint"), login.ErrClient},
		"other_resource":         {oauthtest.Resource + oauthtest.API, oauthtest.Set("resource", "https://bank.test/"), oauth.ErrAnswer},
	} {
		t.Run(name, func(t *testing.T) {
			w := dcrWorld(t)
			w.server.Script(c.path, c.step)
			h := &human{w: w}
			_, err := w.run(w.request(h))
			if !errors.Is(err, c.want) || len(h.visits) != 0 {
				t.Errorf("error %v, %d visits", err, len(h.visits))
			}
		})
	}
	t.Run("not_the_definition's_issuer", func(t *testing.T) {
		w := dcrWorld(t)
		w.definition.OAuth.Issuer = "https://auth.example.com"
		if _, err := w.run(w.request(&human{w: w})); !errors.Is(err, oauth.ErrIssuer) {
			t.Errorf("error %v", err)
		}
	})
}

// TestDCRScopes: without any in the definition, what is offered, and to stay
// logged in where the server has that.
func TestDCRScopes(t *testing.T) {
	w := dcrWorld(t)
	w.server.Script(oauthtest.Metadata, oauthtest.Set("scopes_supported", []string{"openid", "offline_access"}))
	h := &human{w: w}
	if _, err := w.run(w.request(h)); err != nil {
		t.Fatal(err)
	}
	u, _ := url.Parse(h.visits[0].URL)
	if got := u.Query().Get("scope"); got != "read offline_access" {
		t.Errorf("scope %q", got)
	}
	if h.status != http.StatusOK {
		t.Errorf("page %d", h.status)
	}
}

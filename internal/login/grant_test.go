package login_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"authsome/internal/credential"
	"authsome/internal/login"
	"authsome/internal/oauth/oauthtest"
	"authsome/internal/provider"
	"authsome/internal/secret"
)

// grant is a connection as a caller keeps it.
func (w *world) grant(app string, scopes ...string) login.Grant {
	access, refresh := w.server.Grant(app, strings.Join(scopes, " "))
	return login.Grant{
		Definition: w.definition, Network: w.network, Flow: provider.FlowPKCE,
		Credential: credential.Credential{Scopes: scopes, Fields: map[string]secret.Text{
			credential.AccessToken: secret.New(access), credential.RefreshToken: secret.New(refresh),
		}},
	}
}

func refreshToken(c credential.Credential) string {
	return c.Field(credential.RefreshToken).Reveal()
}

func accessToken(c credential.Credential) string { return c.Field(credential.AccessToken).Reveal() }

// TestRefresh covers O024: a new refresh token replaces, none keeps the old.
func TestRefresh(t *testing.T) {
	for name, c := range map[string]struct {
		rotate  bool
		script  []oauthtest.Step
		expires bool
		scopes  []string
	}{
		"O024_rotated":           {rotate: true, expires: true, scopes: []string{"read"}},
		"O024_kept":              {expires: true, scopes: []string{"read"}},
		"O024_no_expiry":         {rotate: true, script: []oauthtest.Step{oauthtest.Drop("expires_in")}, scopes: []string{"read"}},
		"O026_fewer_scopes":      {rotate: true, script: []oauthtest.Step{oauthtest.Set("scope", "")}, expires: true},
		"O026_scopes_not_said":   {rotate: true, script: []oauthtest.Step{oauthtest.Drop("scope")}, expires: true, scopes: []string{"read"}},
		"form_answer":            {rotate: true, script: []oauthtest.Step{formAnswer}, expires: true, scopes: []string{"read"}},
		"O033_hostile_id_token":  {rotate: true, script: []oauthtest.Step{oauthtest.Set("id_token", "eyJhbGciOiJub25lIn0.e30.")}, expires: true, scopes: []string{"read"}},
		"O024_empty_is_no_token": {script: []oauthtest.Step{oauthtest.Set("refresh_token", "")}, expires: true, scopes: []string{"read"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.server.Rotate = c.rotate
			w.server.Script(oauthtest.Token, c.script...)
			g := w.grant("app", "read")
			fresh, err := login.Refresh(t.Context(), g)
			if err != nil {
				t.Fatal(err)
			}
			if len(fresh.Scopes) == 0 {
				fresh.Scopes = nil
			}
			if diff := cmp.Diff(c.scopes, fresh.Scopes); diff != "" {
				t.Errorf("scopes (-want +got):\n%s", diff)
			}
			same := refreshToken(fresh) == refreshToken(g.Credential)
			if same == c.rotate || !w.server.Refreshable(refreshToken(fresh)) || !w.server.Active(accessToken(fresh)) || fresh.Expiry.IsZero() == c.expires {
				t.Errorf("same refresh token: %v, %+v", same, fresh)
			}
		})
	}
}

func TestRefreshFails(t *testing.T) {
	byAuthsome := &login.Client{ID: "app", Issuer: "https://auth.test"}
	for name, c := range map[string]struct {
		script []oauthtest.Step
		change func(*login.Grant)
		codes  map[string]string
		want   error // nil: temporary
	}{
		"O022_invalid_grant": {script: []oauthtest.Step{oauthtest.Refuse(400, "invalid_grant", "revoked")}, want: login.ErrGrant},
		"own_code":           {script: []oauthtest.Step{oauthtest.Respond(200, "application/json", `{"error":"bad_refresh_token"}`)}, codes: map[string]string{"bad_refresh_token": "invalid_grant"}, want: login.ErrGrant},
		"client_refused":     {script: []oauthtest.Step{oauthtest.Refuse(401, "invalid_client", "")}, want: login.ErrClient},
		"client_forgotten": {script: []oauthtest.Step{oauthtest.Refuse(401, "invalid_client", "")}, want: login.ErrGrant, change: func(g *login.Grant) {
			with := *byAuthsome
			with.TokenEndpoint = g.Definition.OAuth.TokenURL
			g.Client = &with
		}},
		"O023_500":       {script: []oauthtest.Step{oauthtest.Respond(500, "text/html", "<html>")}},
		"O023_broken":    {script: []oauthtest.Step{oauthtest.Broken}},
		"lost":           {script: []oauthtest.Step{oauthtest.Lost}},
		"rate_limited":   {script: []oauthtest.Step{oauthtest.Refuse(429, "", "")}},
		"malformed":      {script: []oauthtest.Step{oauthtest.Respond(200, "application/json", `{"access_token":`)}},
		"O011_redirect":  {script: []oauthtest.Step{oauthtest.Redirect(307, "https://evil.test/")}},
		"nothing":        {change: func(g *login.Grant) { delete(g.Credential.Fields, credential.RefreshToken) }, want: login.ErrNoRefresh},
		"key":            {change: func(g *login.Grant) { g.Flow = provider.FlowAPIKey }, want: login.ErrNoRefresh},
		"no_oauth":       {change: func(g *login.Grant) { d := *g.Definition; d.OAuth = nil; g.Definition = &d }, want: login.ErrNoRefresh},
		"no_client":      {change: func(g *login.Grant) { g.Definition.OAuth.ClientID = "" }, want: login.ErrClient},
		"no_network":     {change: func(g *login.Grant) { g.Network = login.Network{} }},
		"O013_1_MiB_ESC": {script: []oauthtest.Step{oauthtest.Refuse(400, "invalid_request", "\x1b[31m"+strings.Repeat("x", 1000))}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.definition.OAuth.TokenErrorCodes = c.codes
			w.server.Script(oauthtest.Token, c.script...)
			g := w.grant("app", "read")
			if c.change != nil {
				c.change(&g)
			}
			_, err := login.Refresh(t.Context(), g)
			if err == nil {
				t.Fatal("it succeeds")
			}
			w.clean("error", err.Error())
			for _, final := range []error{login.ErrGrant, login.ErrNoRefresh, login.ErrClient} {
				if got := errors.Is(err, final); got != (c.want == final) {
					t.Errorf("error %v is %v: %v", err, final, got)
				}
			}
			if strings.Contains(err.Error(), "\x1b") || len(err.Error()) > 700 {
				t.Errorf("error %.900q", err)
			}
		})
	}
}

// TestRegisteredGrant: a client that authsome registered goes to the endpoints
// it was registered with, and so do its tokens.
func TestRegisteredGrant(t *testing.T) {
	w := dcrWorld(t)
	result, err := w.run(w.request(&human{w: w}))
	if err != nil {
		t.Fatal(err)
	}
	g := login.Grant{Definition: w.definition, Network: w.network, Flow: result.Flow, Client: result.Client, Credential: result.Credential}
	if g.Credential, err = login.Refresh(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	last := w.server.Requests(oauthtest.Token)[1]
	if last.Form().Get("resource") != w.server.Issuer+oauthtest.API || last.Form().Get("client_id") != result.Client.ID {
		t.Errorf("refresh request %s", last.Body)
	}
	if err := login.Revoke(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	if w.server.Active(accessToken(g.Credential)) || w.server.Refreshable(refreshToken(g.Credential)) {
		t.Error("still good after Revoke")
	}
}

func TestClientCredentials(t *testing.T) {
	w := newWorld(t)
	w.server.AddApp(oauthtest.App{ID: "robot", Secret: "CANARY-robot", AuthMethod: "client_secret_basic"})
	w.definition.Flow = provider.FlowClientCredentials
	req := w.request(&human{w: w})
	req.Client = &login.Client{ID: "robot", Secret: secret.New("CANARY-robot")}
	result, err := w.run(req)
	if err != nil {
		t.Fatal(err)
	}
	want := whole
	want.Flow, want.Refreshable = provider.FlowClientCredentials, false
	w.check(result, want)
	fresh, err := login.Refresh(t.Context(), login.Grant{
		Definition: w.definition, Network: w.network, Flow: result.Flow, Client: result.Client, Credential: result.Credential,
	})
	if err != nil || !w.server.Active(accessToken(fresh)) || accessToken(fresh) == accessToken(result.Credential) {
		t.Errorf("refresh: %v", err)
	}
	if diff := cmp.Diff(result.Credential.Scopes, fresh.Scopes); diff != "" {
		t.Errorf("scopes (-want +got):\n%s", diff)
	}
}

func TestGitHubApp(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	private := secret.New(string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})))
	expiry := time.Now().Add(time.Hour).Truncate(time.Second).UTC()
	answer := oauthtest.Respond(http.StatusCreated, "application/json", `{"token":"ghs_CANARY","expires_at":"`+expiry.Format(time.RFC3339)+`"}`)
	const path = "/app/installations/42/access_tokens"
	for name, c := range map[string]struct {
		client       *login.Client
		installation string
		step         oauthtest.Step
		want         error
		sent         int
	}{
		"token":            {&login.Client{ID: "7", Secret: private}, "42", answer, nil, 1},
		"refused":          {&login.Client{ID: "7", Secret: private}, "42", oauthtest.Respond(401, "application/json", `{"message":"A JSON web token could not be decoded"}`), nil, 1},
		"not_a_key":        {&login.Client{ID: "7", Secret: secret.New("CANARY")}, "42", nil, login.ErrClient, 0},
		"no_client":        {nil, "42", nil, login.ErrClient, 0},
		"no_installation":  {&login.Client{ID: "7", Secret: private}, "", nil, login.ErrClient, 0},
		"escaped_in_a_URL": {&login.Client{ID: "7", Secret: private}, "../../user", nil, nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.definition.OAuth.InstallationTokenURL = w.server.Issuer + "/app/installations/{installation}/access_tokens"
			if c.step != nil {
				w.server.Script(path, c.step, answer)
			}
			req := w.request(&human{w: w})
			req.Flow, req.Client, req.Installation = login.FlowGitHubApp, c.client, c.installation
			result, err := w.run(req)
			if got := w.server.Requests(path); len(got) != c.sent || c.sent > 0 && !strings.HasPrefix(got[0].Header.Get("Authorization"), "Bearer ey") {
				t.Errorf("%d requests: %+v", len(got), got)
			}
			if name != "token" {
				if err == nil || c.want != nil && !errors.Is(err, c.want) {
					t.Errorf("error %v, want %v", err, c.want)
				}
				return
			}
			if err != nil || accessToken(result.Credential) != "ghs_CANARY" || !result.Credential.Expiry.Equal(expiry) || result.Client != c.client {
				t.Errorf("result %+v, error %v", result, err)
			}
			g := login.Grant{Definition: w.definition, Network: w.network, Flow: result.Flow, Client: result.Client, Credential: result.Credential, Installation: "42"}
			if fresh, err := login.Refresh(t.Context(), g); err != nil || accessToken(fresh) != "ghs_CANARY" {
				t.Errorf("refresh: %v", err)
			}
			if err := login.Revoke(t.Context(), g); !errors.Is(err, login.ErrNoRevocation) {
				t.Errorf("revoke: %v", err)
			}
		})
	}
}

// TestRevoke is O029 for one grant: the refresh token first, with the client's
// authentication.
func TestRevoke(t *testing.T) {
	type sent struct{ Hint, Auth string }
	for name, c := range map[string]struct {
		change func(*login.Grant, *provider.OAuth)
		script []oauthtest.Step
		want   []sent
		err    error // nil: success, unless fails
		fails  bool
	}{
		"O029_both": {want: []sent{{"refresh_token", ""}, {"access_token", ""}}},
		"access_only": {
			change: func(g *login.Grant, _ *provider.OAuth) { delete(g.Credential.Fields, credential.RefreshToken) },
			want:   []sent{{"access_token", ""}},
		},
		"O029_client_authentication": {
			change: func(g *login.Grant, _ *provider.OAuth) {
				g.Client = &login.Client{ID: "mine", Secret: secret.New("CANARY-secret")}
			},
			want: []sent{{"refresh_token", "Basic"}, {"access_token", "Basic"}},
		},
		"O029_server_down": {script: []oauthtest.Step{oauthtest.Broken}, want: []sent{{"refresh_token", ""}}, fails: true},
		"refused":          {script: []oauthtest.Step{oauthtest.Refuse(401, "invalid_client", "")}, want: []sent{{"refresh_token", ""}}, fails: true},
		"dead_already":     {script: []oauthtest.Step{oauthtest.Refuse(400, "invalid_token", ""), oauthtest.Refuse(400, "invalid_token", "")}, want: []sent{{"refresh_token", ""}, {"access_token", ""}}},
		"died_with_it":     {script: []oauthtest.Step{oauthtest.Normal, oauthtest.Refuse(400, "unsupported_token_type", "")}, want: []sent{{"refresh_token", ""}, {"access_token", ""}}},
		"second_down":      {script: []oauthtest.Step{oauthtest.Normal, oauthtest.Broken}, want: []sent{{"refresh_token", ""}, {"access_token", ""}}, fails: true},
		"no_endpoint":      {change: func(_ *login.Grant, o *provider.OAuth) { o.RevocationURL = "" }, err: login.ErrNoRevocation},
		"key":              {change: func(g *login.Grant, _ *provider.OAuth) { g.Flow = provider.FlowAPIKey }, err: login.ErrNoRevocation},
		"no_tokens":        {change: func(g *login.Grant, _ *provider.OAuth) { g.Credential.Fields = nil }, err: login.ErrNoRevocation},
		"own_way_bearer": {
			change: func(_ *login.Grant, o *provider.OAuth) {
				o.Revocation = &provider.Revocation{URL: o.RevocationURL, Auth: "bearer", Token: "access_token"}
			},
			script: []oauthtest.Step{oauthtest.Respond(200, "application/json", "{}")},
			want:   []sent{{"", "Bearer"}},
		},
		"own_way_dead_already": {
			change: func(_ *login.Grant, o *provider.OAuth) {
				o.Revocation = &provider.Revocation{URL: o.RevocationURL, Auth: "bearer", Token: "access_token"}
			},
			script: []oauthtest.Step{oauthtest.Respond(401, "application/json", "{}")},
			want:   []sent{{"", "Bearer"}},
		},
		"own_way_says_no": {
			change: func(_ *login.Grant, o *provider.OAuth) {
				o.Revocation = &provider.Revocation{URL: o.RevocationURL, Auth: "bearer", Field: "ok", Token: "access_token"}
			},
			script: []oauthtest.Step{oauthtest.Respond(200, "application/json", `{"ok":false,"error":"some_error"}`)},
			want:   []sent{{"", "Bearer"}}, fails: true,
		},
		"own_way_wants_a_secret": {
			change: func(_ *login.Grant, o *provider.OAuth) {
				o.Revocation = &provider.Revocation{URL: o.RevocationURL, Auth: "client_secret_basic"}
			},
			err: login.ErrNoRevocation,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.server.AddApp(oauthtest.App{ID: "mine", Secret: "CANARY-secret", AuthMethod: "client_secret_basic"})
			g := w.grant("app", "read")
			if name == "O029_client_authentication" {
				g = w.grant("mine", "read")
			}
			if c.change != nil {
				c.change(&g, w.definition.OAuth)
			}
			w.server.Script(oauthtest.Revoke, c.script...)
			err := login.Revoke(t.Context(), g)
			if c.err != nil && !errors.Is(err, c.err) || c.err == nil && (err != nil) != c.fails {
				t.Errorf("error %v, want %v", err, c.err)
			}
			if err != nil {
				w.clean("error", err.Error())
			}
			var got []sent
			for _, r := range w.server.Requests(oauthtest.Revoke) {
				scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
				got = append(got, sent{r.Form().Get("token_type_hint"), scheme})
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
			if c.script == nil && c.err == nil && (w.server.Active(accessToken(g.Credential)) || w.server.Refreshable(refreshToken(g.Credential))) {
				t.Error("still good")
			}
		})
	}
}

// TestAccount: a label from the provider's API, never more than a label.
func TestAccount(t *testing.T) {
	for name, c := range map[string]struct {
		step oauthtest.Step
		url  func(string) string
		path []string
		want string
	}{
		"first_path":      {oauthtest.Respond(200, "application/json", `{"user":{"email":"a@b.test"},"login":"b"}`), nil, nil, "a@b.test"},
		"next_path":       {oauthtest.Respond(200, "application/json", `{"user":null,"login":"b"}`), nil, nil, "b"},
		"list_and_number": {oauthtest.Respond(200, "application/json", `{"data":[{"id":12345678901234567890}]}`), nil, []string{"data.0.id"}, "12345678901234567890"},
		"O033_controls":   {oauthtest.Respond(200, "application/json", `{"login":"a\u001b[31m\u202eb\n"}`), nil, nil, "a [31m b"},
		"long":            {oauthtest.Respond(200, "application/json", `{"login":"`+strings.Repeat("ä", 200)+`"}`), nil, nil, strings.Repeat("ä", 100) + "…"},
		"no_text":         {oauthtest.Respond(200, "application/json", `{"login":{"a":1}}`), nil, nil, ""},
		"no_json":         {oauthtest.Respond(200, "text/html", `<html>`), nil, nil, ""},
		"position":        {oauthtest.Respond(200, "application/json", `{"data":[]}`), nil, []string{"data.0", "data.-1", "data.x", "a.b.c"}, ""},
		"large":           {oauthtest.Respond(200, "application/json", `{"login":"b","pad":"`+strings.Repeat("x", 1<<20)+`"}`), nil, nil, ""},
		"refused":         {oauthtest.Respond(403, "application/json", `{"login":"b"}`), nil, nil, ""},
		"redirect":        {oauthtest.Redirect(302, "https://evil.test/"), nil, nil, ""},
		"ailing":          {oauthtest.Respond(500, "application/json", `{"login":"b"}`), nil, nil, ""},
		"plain_http":      {nil, func(s string) string { return strings.Replace(s, "https:", "http:", 1) }, nil, ""},
		"repeats_the_token": {func(http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
				_, _ = w.Write([]byte(`{"login":"you are ` + token + `"}`))
			})
		}, nil, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if c.step != nil {
				w.server.Script(oauthtest.API, c.step)
			}
			a := w.definition.OAuth.Account
			if c.url != nil {
				a.URL = c.url(a.URL)
			}
			if c.path != nil {
				a.Paths = c.path
			}
			result, err := w.run(w.request(&human{w: w}))
			if err != nil || result.Account != c.want {
				t.Errorf("account %q, error %v, want %q", result.Account, err, c.want)
			}
		})
	}
	t.Run("POST", func(t *testing.T) {
		w := newWorld(t)
		a := w.definition.OAuth.Account
		a.Method, a.Body, a.Header = "POST", `{"query":"{viewer{email}}"}`, map[string]string{"Revision": "1"}
		if _, err := w.run(w.request(&human{w: w})); err != nil {
			t.Fatal(err)
		}
		r := w.server.Requests(oauthtest.API)[0]
		if r.Method != "POST" || r.Body != a.Body || r.Header.Get("Revision") != "1" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("request %+v", r)
		}
	})
}

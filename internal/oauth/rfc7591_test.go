package oauth_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"authsome/internal/oauth"
	"authsome/internal/oauth/oauthtest"
	"authsome/internal/secret"
)

func TestRegister(t *testing.T) {
	redirects := []string{"http://127.0.0.1:4321/cb"}
	for _, test := range []struct {
		name    string
		request oauth.Registration
		initial string
		body    string
		secret  bool
	}{
		{"public", oauth.Registration{ClientName: "authsome", RedirectURIs: redirects, Scopes: []string{"a", "b"}}, "",
			`{"client_name":"authsome","redirect_uris":["http://127.0.0.1:4321/cb"],"grant_types":["authorization_code","refresh_token"],"response_types":["code"],` +
				`"scope":"a b","token_endpoint_auth_method":"none","application_type":"native"}`, false},
		{"device and secret", oauth.Registration{ClientName: "authsome", ClientURI: "https://a.example", AuthMethod: "client_secret_post",
			GrantTypes: []string{"urn:ietf:params:oauth:grant-type:device_code"}}, "initial-CANARY",
			`{"client_name":"authsome","client_uri":"https://a.example","grant_types":["urn:ietf:params:oauth:grant-type:device_code"],"response_types":[],` +
				`"token_endpoint_auth_method":"client_secret_post","application_type":"native"}`, true},
	} {
		f := newFixture()
		made, err := f.client.Register(t.Context(), f.meta, test.request, text(test.initial))
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		sent := f.Requests(oauthtest.Register)[0]
		if sent.Body != test.body || sent.Header.Get("Content-Type") != "application/json" || strings.TrimPrefix(sent.Header.Get("Authorization"), "Bearer ") != test.initial {
			t.Errorf("%s: sent %s\n%s", test.name, sent.Header, sent.Body)
		}
		want := oauth.App{ClientID: made.ClientID, ClientSecret: made.ClientSecret, AuthMethod: "none"}
		if test.secret {
			want.AuthMethod = "client_secret_post"
		}
		if diff := cmp.Diff(want, made.App, secretEqual); diff != "" || made.ClientID == "" || made.ClientSecret.IsZero() == test.secret {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
		if made.RegistrationAccessToken.IsZero() || !strings.HasPrefix(made.RegistrationClientURI, issuer) || !made.SecretExpiry.IsZero() {
			t.Errorf("%s: %+v", test.name, made)
		}
		if _, err := f.client.AuthorizeDevice(t.Context(), f.meta, made.App, nil, nil); err != nil {
			t.Errorf("%s: the new client can't be used: %v", test.name, err)
		}
		f.ForgetApp(made.ClientID)
		if _, err := f.client.Refresh(t.Context(), f.meta, made.App, oauth.RefreshGrant{RefreshToken: text("rrrr")}); oauth.Code(err) != oauth.InvalidClient {
			t.Errorf("%s: a forgotten client: %v", test.name, err)
		}
	}
}

// TestO015_answers is what a server may make of a registration.
func TestO015_answers(t *testing.T) {
	request := oauth.Registration{RedirectURIs: []string{"http://127.0.0.1:1/a", "http://127.0.0.1:1/b"}}
	app := func(method, secret string) oauth.Registered {
		return oauth.Registered{App: oauth.App{ClientID: "C", ClientSecret: text(secret), AuthMethod: method}, RedirectURIs: request.RedirectURIs}
	}
	expiring := app("client_secret_basic", "S")
	expiring.SecretExpiry = time.Unix(2893276800, 0) // of RFC 7591 section 3.2.1
	swapped := app("", "")
	swapped.RedirectURIs = []string{"http://127.0.0.1:1/b", "http://127.0.0.1:1/a"}
	accepted := map[string]oauth.Registered{
		`{"client_id":"C"}`: app("", ""),
		`{"client_id":"C","redirect_uris":["http://127.0.0.1:1/b","http://127.0.0.1:1/a"]}`:                                              swapped,
		`{"client_id":"C","client_secret":"S"}`:                                                                                          app("", "S"),
		`{"client_id":"C","client_secret":"S","token_endpoint_auth_method":"client_secret_basic","client_secret_expires_at":2893276800}`: expiring,
		`{"client_id":"C","token_endpoint_auth_method":"none","client_secret_expires_at":0,"x":[{}]}`:                                    app("none", ""),
	}
	for body, want := range accepted {
		f := newFixture()
		f.Script(oauthtest.Register, oauthtest.Respond(201, "application/json", body))
		got, err := f.client.Register(t.Context(), f.meta, request, secret.Text{})
		if diff := cmp.Diff(want, got, secretEqual); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", body, err, diff)
		}
	}
	for _, body := range []string{
		`{}`, `{"client_id":""}`, `{"client_id":null}`, `{"client_id":7}`, `{"client_id":"a\u001b[31m"}`, `{"client_id":"ä"}`,
		`{"client_id":"C","client_secret":"S\r\nX: y"}`, `{"client_id":"C","client_secret":"S\u0000"}`, `{"client_id":"C","client_secret":["S"]}`,
		`{"client_id":"C","redirect_uris":["http://127.0.0.1:1/a"]}`, `{"client_id":"C","redirect_uris":[]}`,
		`{"client_id":"C","redirect_uris":["http://127.0.0.1:1/a","https://evil.test/b"]}`,
		`{"client_id":"C","redirect_uris":["http://127.0.0.1:1/a","http://127.0.0.1:1/b","https://evil.test/c"]}`,
		`{"client_id":"C","redirect_uris":"http://127.0.0.1:1/a"}`,
		`{"client_id":"C","token_endpoint_auth_method":"private_key_jwt"}`, `{"client_id":"C","token_endpoint_auth_method":"client_secret_basic"}`,
		`{"client_id":"C","registration_access_token":"T\n"}`, `{"client_id":"C","registration_client_uri":"http://as.example/c"}`,
		`{"client_id":"C","client_id":"D"}`, `[]`, `client_id=C`,
	} {
		f := newFixture()
		f.Script(oauthtest.Register, oauthtest.Respond(201, "application/json", body))
		got, err := f.client.Register(t.Context(), f.meta, request, secret.Text{})
		if !errors.Is(err, oauth.ErrAnswer) || !cmp.Equal(got, oauth.Registered{}, secretEqual) {
			t.Errorf("%s: %v", body, err)
		}
	}
	f := newFixture()
	f.Script(oauthtest.Register, oauthtest.Refuse(400, "invalid_redirect_uri", "no loopback"))
	if _, err := f.client.Register(t.Context(), f.meta, request, secret.Text{}); oauth.Code(err) != oauth.InvalidRedirectURI {
		t.Error(err)
	}
}

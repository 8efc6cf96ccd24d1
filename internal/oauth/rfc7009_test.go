package oauth_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"authsome/internal/oauth"
	"authsome/internal/oauth/oauthtest"
)

// TestRevoke is O029's client side: RFC 7009 with client authentication.
func TestRevoke(t *testing.T) {
	f := newFixture()
	f.AddApp(oauthtest.App{ID: "s6BhdRkqt3", Secret: "gX1fBat3bV", AuthMethod: "client_secret_basic"})
	app := oauth.App{ClientID: "s6BhdRkqt3", ClientSecret: text("gX1fBat3bV")}
	access, refresh := f.Grant(app.ClientID, "read")
	f.Script(oauthtest.Revoke, oauthtest.Normal)
	if err := f.client.Revoke(t.Context(), f.meta, app, text("45ghiukldjahdnhzdauz"), oauth.HintRefreshToken); err != nil {
		t.Fatal(err)
	}
	got := f.Requests(oauthtest.Revoke)[0]
	got.At = time.Time{}
	want := oauthtest.Request{Method: "POST", Host: "as.example", Path: "/revoke", Body: "token=45ghiukldjahdnhzdauz&token_type_hint=refresh_token", Header: http.Header{
		"Authorization": {"Basic czZCaGRSa3F0MzpnWDFmQmF0M2JW"}, "Content-Type": {"application/x-www-form-urlencoded"}, // RFC 7009 section 2.1
		"Accept": {"application/json"}, "User-Agent": {"authsome"},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := f.client.Revoke(t.Context(), f.meta, app, text(refresh), ""); err != nil || f.Refreshable(refresh) || f.Active(access) {
		t.Errorf("the grant is alive (%v)", err)
	}
	f.Script(oauthtest.Revoke, oauthtest.Refuse(503, "unsupported_token_type", ""), oauthtest.Broken)
	if err := f.client.Revoke(t.Context(), f.meta, app, text(refresh), ""); oauth.Code(err) != "unsupported_token_type" {
		t.Error(err)
	}
	if err := f.client.Revoke(t.Context(), f.meta, app, text(refresh), ""); err == nil {
		t.Error("O029: a server that is down has revoked")
	}
	f.meta.RevocationEndpointAuthMethodsSupported = []string{"private_key_jwt"}
	if err := f.client.Revoke(t.Context(), f.meta, app, text(refresh), ""); !errors.Is(err, oauth.ErrClient) {
		t.Error(err)
	}
}

// TestRevokeOwnWays is revocation as data.
func TestRevokeOwnWays(t *testing.T) {
	app := oauth.App{ClientID: "a/b", ClientSecret: text("pass")}
	token := text("t/k?x")
	for _, test := range []struct {
		name       string
		way        oauth.Revocation
		answer     oauthtest.Step
		want       oauthtest.Request
		authorized string
		code       string // of the refusal
		ok         bool
	}{
		{"deletion with Basic and JSON", oauth.Revocation{Method: "DELETE", URL: issuer + "/applications/{client_id}/token", Auth: "client_secret_basic", Params: map[string]string{"access_token": "{token}"}, JSON: true},
			oauthtest.Respond(204, "", ""), oauthtest.Request{Method: "DELETE", Path: "/applications/a/b/token", Body: `{"access_token":"t/k?x"}`}, "Basic YSUyRmI6cGFzcw==", "", true},
		{"deletion by path", oauth.Revocation{Method: "DELETE", URL: issuer + "/refresh-tokens/{token}", Auth: "none"},
			oauthtest.Respond(204, "", ""), oauthtest.Request{Method: "DELETE", Path: "/refresh-tokens/t/k?x", Body: ""}, "", "", true},
		{"bearer", oauth.Revocation{URL: issuer + "/auth.revoke", Auth: "bearer", Field: "ok"},
			oauthtest.Respond(200, "application/json", `{"ok":true,"revoked":true}`), oauthtest.Request{Method: "POST", Path: "/auth.revoke"}, "Bearer t/k?x", "", true},
		{"bearer refused", oauth.Revocation{URL: issuer + "/auth.revoke", Auth: "bearer", Field: "ok"},
			oauthtest.Respond(200, "application/json", `{"ok":false,"error":"invalid_auth"}`), oauthtest.Request{Method: "POST", Path: "/auth.revoke"}, "Bearer t/k?x", "invalid_auth", false},
		{"form with post", oauth.Revocation{URL: issuer + "/revoke", Auth: "client_secret_post", Params: map[string]string{"token": "{token}"}},
			oauthtest.Respond(200, "", ""), oauthtest.Request{Method: "POST", Path: "/revoke", Body: "client_id=a%2Fb&client_secret=pass&token=t%2Fk%3Fx"}, "", "", true},
	} {
		f := newFixture()
		f.meta.Quirks.Revocation = &test.way
		f.Script(test.want.Path, test.answer)
		err := f.client.Revoke(t.Context(), f.meta, app, token, oauth.HintAccessToken)
		if (err == nil) != test.ok || oauth.Code(err) != test.code {
			t.Errorf("%s: %v", test.name, err)
		}
		got := f.Requests("")[0]
		if got.Header.Get("Authorization") != test.authorized || got.Method != test.want.Method || got.Path != test.want.Path {
			t.Errorf("%s: %+v", test.name, got)
		}
		if test.way.Auth != "none" && got.Body != test.want.Body {
			t.Errorf("%s: body %s", test.name, got.Body)
		}
	}
}

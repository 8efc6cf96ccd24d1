package oauth_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"authsome/internal/oauth"
	"authsome/internal/oauth/oauthtest"
)

func TestDiscover(t *testing.T) {
	f := newFixture()
	got, err := f.client.Discover(t.Context(), issuer)
	want := metadata(issuer)
	want.CodeChallengeMethodsSupported = []string{"S256"}
	want.TokenEndpointAuthMethodsSupported = []string{"none", "client_secret_basic", "client_secret_post"}
	want.AuthorizationResponseIssParameterSupported = true
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if foreign := got.ForeignOrigins(); foreign != nil {
		t.Errorf("foreign origins %v", foreign)
	}
}

// TestWellKnown: where metadata are looked for, in order (RFC 8414 sections 3
// and 5, OpenID Connect Discovery section 4).
func TestWellKnown(t *testing.T) {
	for issuer, want := range map[string][]string{
		"https://as.example":  {"/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"},
		"https://as.example/": {"/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"},
		"https://as.example/tenant/1": {
			"/.well-known/oauth-authorization-server/tenant/1", "/.well-known/openid-configuration/tenant/1", "/tenant/1/.well-known/openid-configuration",
		},
	} {
		for _, miss := range []oauthtest.Step{
			oauthtest.Respond(404, "text/plain", "x"), oauthtest.Respond(403, "application/json", "{}"), oauthtest.Respond(200, "text/html", "<p>hello"),
		} {
			f := newFixture()
			for _, path := range want {
				f.Script(path, miss)
			}
			if _, err := f.client.Discover(t.Context(), issuer); err == nil {
				t.Errorf("%s: found", issuer)
			}
			var asked []string
			for _, r := range f.Requests("") {
				asked = append(asked, r.Path)
			}
			if diff := cmp.Diff(want, asked); diff != "" {
				t.Errorf("%s (-want +got):\n%s", issuer, diff)
			}
		}
	}
	f := newFixture()
	f.Script(oauthtest.Metadata, oauthtest.Respond(404, "text/plain", ""))
	if _, err := f.client.Discover(t.Context(), issuer); err != nil {
		t.Errorf("OpenID only: %v", err)
	}
}

// TestO014_metadata: lies and excess are refused, and not looked past.
func TestO014_metadata(t *testing.T) {
	for _, test := range []struct {
		name string
		step oauthtest.Step
		want error
	}{
		{"issuer of another", oauthtest.Set("issuer", "https://evil.test"), oauth.ErrIssuer},
		{"issuer with a slash", oauthtest.Set("issuer", issuer+"/"), oauth.ErrIssuer},
		{"issuer in other case", oauthtest.Set("issuer", "https://AS.example"), oauth.ErrIssuer},
		{"no issuer", oauthtest.Drop("issuer"), oauth.ErrIssuer},
		{"issuer number", oauthtest.Set("issuer", 7), oauth.ErrAnswer},
		{"http token endpoint", oauthtest.Set("token_endpoint", "http://as.example/token"), oauth.ErrURL},
		{"loopback token endpoint", oauthtest.Set("token_endpoint", "http://127.0.0.1/token"), oauth.ErrURL},
		{"script", oauthtest.Set("authorization_endpoint", "javascript:alert(1)"), oauth.ErrURL},
		{"user information", oauthtest.Set("registration_endpoint", "https://as.example@evil.test/"), oauth.ErrURL},
		{"list of endpoints", oauthtest.Set("token_endpoint", []string{"https://as.example/"}), oauth.ErrAnswer},
		{"methods in a string", oauthtest.Set("code_challenge_methods_supported", "S256"), oauth.ErrAnswer},
		{"iss in words", oauthtest.Set("authorization_response_iss_parameter_supported", "yes"), oauth.ErrAnswer},
		{"5 MiB", oauthtest.Set("x", strings.Repeat("x", 5<<20)), oauth.ErrAnswer},
		{"not JSON", oauthtest.Respond(200, "application/json", "<html>"), oauth.ErrAnswer},
		{"duplicate", oauthtest.Respond(200, "application/json", `{"issuer":"`+issuer+`","issuer":"`+issuer+`"}`), oauth.ErrAnswer},
	} {
		f := newFixture()
		f.Script(oauthtest.Metadata, test.step)
		got, err := f.client.Discover(t.Context(), issuer)
		if !errors.Is(err, test.want) || !cmp.Equal(got, oauth.Server{}) || len(f.Requests("")) != 1 {
			t.Errorf("%s: %v after %d requests", test.name, err, len(f.Requests("")))
		}
	}
	t.Run("redirect chain", func(t *testing.T) {
		f := newFixture()
		for _, path := range []string{oauthtest.Metadata, oauthtest.OpenID} {
			f.Script(path, oauthtest.Redirect(302, issuer+"/elsewhere"))
		}
		if _, err := f.client.Discover(t.Context(), issuer); err == nil || len(f.Requests("/elsewhere")) != 0 {
			t.Error(err)
		}
	})
	t.Run("server ails", func(t *testing.T) {
		f := newFixture()
		f.Script(oauthtest.Metadata, oauthtest.Respond(503, "text/plain", ""))
		if _, err := f.client.Discover(t.Context(), issuer); err == nil || len(f.Requests("")) != 1 {
			t.Error(err)
		}
	})
	t.Run("issuer with a query", func(t *testing.T) {
		for _, bad := range []string{issuer + "?x", issuer + "#x", "http://as.example", "as.example", ""} {
			if _, err := newFixture().client.Discover(t.Context(), bad); !errors.Is(err, oauth.ErrURL) {
				t.Errorf("%q: %v", bad, err)
			}
		}
	})
	t.Run("endpoints on another origin", func(t *testing.T) {
		f := newFixture()
		f.Script(oauthtest.Metadata, oauthtest.Edit(func(o map[string]any) {
			o["token_endpoint"], o["revocation_endpoint"], o["device_authorization_endpoint"] = "https://b.test/t", "https://a.test:8443/r", "https://b.test/d"
		}))
		got, err := f.client.Discover(t.Context(), issuer)
		if diff := cmp.Diff([]string{"https://a.test:8443", "https://b.test"}, got.ForeignOrigins()); diff != "" || err != nil {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	})
}

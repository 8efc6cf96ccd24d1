package oauth_test

import (
	"errors"
	"strings"
	"testing"

	"authsome/internal/oauth"
	"authsome/internal/secret"
)

// TestVerifier is O006: 32 random bytes, new each time, and RFC 7636's
// appendix B for the challenge.
func TestVerifier(t *testing.T) {
	if got := oauth.CodeChallenge(text("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")); got != "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" {
		t.Errorf("challenge %s", got)
	}
	seen := map[string]bool{}
	for range 1000 {
		for _, s := range []secret.Text{oauth.NewVerifier(), oauth.NewState()} {
			v := s.Reveal()
			if len(v) != 43 || strings.Trim(v, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" || seen[v] {
				t.Fatalf("%q", v)
			}
			seen[v] = true
		}
	}
}

// TestO006_no_downgrade: a server that knows other methods only is refused;
// one that says nothing gets S256 all the same.
func TestO006_no_downgrade(t *testing.T) {
	r := oauth.AuthorizationRequest{RedirectURI: "http://127.0.0.1:1/", State: text("state"), Verifier: oauth.NewVerifier()}
	for _, test := range []struct {
		methods []string
		want    error
	}{{nil, nil}, {[]string{"plain", "S256"}, nil}, {[]string{"plain"}, oauth.ErrPKCE}, {[]string{}, oauth.ErrPKCE}, {[]string{"s256"}, oauth.ErrPKCE}} {
		s := metadata(issuer)
		s.CodeChallengeMethodsSupported = test.methods
		u, err := new(oauth.Client).AuthorizationURL(s, public, r)
		if !errors.Is(err, test.want) || err == nil && !strings.Contains(u, "code_challenge_method=S256") {
			t.Errorf("%v: %s, %v", test.methods, u, err)
		}
	}
}

package oauth_test

import (
	"testing"

	"authsome/internal/oauth"
)

// TestIss is RFC 9207: a response of another server ends the login and its
// code goes nowhere.
func TestIss(t *testing.T) {
	advertises := oauth.Server{Issuer: issuer, AuthorizationResponseIssParameterSupported: true}
	for _, test := range []struct {
		name   string
		server oauth.Server
		iss    string
		want   error
	}{
		{"right", advertises, "&iss=https%3A%2F%2Fas.example", nil},
		{"missing though advertised", advertises, "", oauth.ErrIssuer},
		{"empty though advertised", advertises, "&iss=", oauth.ErrIssuer},
		{"wrong", advertises, "&iss=https%3A%2F%2Fevil.test", oauth.ErrIssuer},
		{"other spelling", advertises, "&iss=https%3A%2F%2Fas.example%2F", oauth.ErrIssuer},
		{"wrong, not advertised", oauth.Server{Issuer: issuer}, "&iss=https%3A%2F%2Fevil.test", oauth.ErrIssuer},
		{"missing, not advertised", oauth.Server{Issuer: issuer}, "", nil},
		{"nothing to compare with", oauth.Server{}, "&iss=https%3A%2F%2Fas.example", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := waiting(t, test.server, nil)
			want := reply{200, succeeded}
			if test.want != nil {
				want = reply{400, failed}
			}
			if got := l.get(t, l.good()+test.iss); got != want {
				t.Error(got)
			}
			l.finished(t, test.want)
			if exchanged := l.codes.Load() == 1; exchanged != (test.want == nil) {
				t.Errorf("exchanged %v", exchanged)
			}
		})
	}
	t.Run("duplicated", func(t *testing.T) {
		l := waiting(t, advertises, nil)
		if got := l.get(t, l.good()+"&iss=https%3A%2F%2Fas.example&iss=https%3A%2F%2Fevil.test"); got != (reply{400, ignored}) {
			t.Error(got)
		}
	})
}

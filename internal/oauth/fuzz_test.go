package oauth

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"authsome/internal/secret"
)

// checkError is what every error must be: short and printable.
func checkError(t *testing.T, err error) {
	t.Helper()
	s := err.Error()
	if len(s) > 4*(maxDescription+200) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		t.Errorf("%q", s)
	}
}

func FuzzTokenResponse(f *testing.F) {
	for _, body := range []string{
		`{"access_token":"2YotnFZFEjr1zCsicMWpAA","token_type":"example","expires_in":3600,"refresh_token":"tGzv3JOkF0XG5Qx2TlKWIA","scope":"a b"}`,
		`{"error":"invalid_grant","error_description":"old-refresh","error_uri":"https://x.example"}`, `access_token=a&scope=b%2Cc`,
		`{"ok":true,"authed_user":{"access_token":"x","scope":["a"],"expires_in":"9e99"}}`, `{"access_token":"a","access_token":"b"}`,
	} {
		for i := range 4 {
			f.Add(200+200*(i/2), []string{"application/json", "application/x-www-form-urlencoded", "", "text/html"}[i], []byte(body), i%2 == 0)
		}
	}
	f.Fuzz(func(t *testing.T, status int, mediaType string, body []byte, refresh bool) {
		q := Quirks{Extra: []string{"a.b", "error", "scope"}, AccessTokenPath: "authed_user.access_token", ScopeSeparator: ","}
		grantType := "authorization_code"
		if refresh {
			grantType = "refresh_token"
		}
		hidden := []secret.Text{secret.New("old-refresh")}
		r, err := new(Client).parseToken(answer{status: status, mediaType: mediaType, body: body}, q, grantType, hidden)
		if err != nil {
			checkError(t, err)
			if strings.Contains(err.Error(), "old-refresh") {
				t.Error(err)
			}
			return
		}
		token := r.token(time.Now(), nil)
		ok := status/100 == 2 && !token.AccessToken.IsZero() && isSecret(token.AccessToken.Reveal()) && isSecret(token.RefreshToken.Reveal()) &&
			token.TokenType != "" && !strings.ContainsAny(token.TokenType, " \r\n") && !slices.ContainsFunc(token.Scopes, func(s string) bool { return !isScope(s) }) &&
			(token.Expiry.IsZero() || time.Until(token.Expiry) <= maxLifetime && time.Until(token.Expiry) > 0)
		for _, value := range token.Extra {
			ok = ok && !strings.ContainsFunc(value, func(r rune) bool { return !unicode.IsPrint(r) })
		}
		if !ok {
			t.Errorf("accepted %q: %+v", body, token)
		}
	})
}

func FuzzCallbackQuery(f *testing.F) {
	for _, q := range []string{"code=c&state=the-state", "state=the-state&error=access_denied&error_description=x", "state=the-state&code=c&iss=https%3A%2F%2Fas.example", "state=x", "state=the-state&state=the-state&code=c", "%zz", ";"} {
		f.Add(q)
	}
	w := Await{State: secret.New("the-state"), Server: Server{Issuer: "https://as.example"}}
	f.Fuzz(func(t *testing.T, query string) {
		code, refused, ok := parseResponse(query, w)
		if !ok {
			return
		}
		values, _ := url.ParseQuery(query)
		if !slices.Equal(values["state"], []string{"the-state"}) || code.IsZero() == (refused == nil) {
			t.Errorf("accepted %q: %v", query, refused)
		}
		if refused != nil {
			checkError(t, refused)
		}
		if iss := values.Get("iss"); refused == nil && iss != "" && iss != "https://as.example" {
			t.Errorf("accepted %q", query)
		}
	})
}

func FuzzMetadata(f *testing.F) {
	f.Add([]byte(`{"issuer":"https://as.example","token_endpoint":"https://as.example/token","scopes_supported":["a"],"authorization_response_iss_parameter_supported":true}`))
	f.Add([]byte(`{"issuer":"https://as.example","token_endpoint":"http://as.example/token"}`))
	f.Add([]byte(`{"resource":"https://as.example","authorization_servers":["https://as.example"]}`))
	f.Add([]byte(`{"client_id":"C","redirect_uris":["http://127.0.0.1/"],"client_secret":"S","client_secret_expires_at":1e300}`))
	f.Add([]byte(`{"device_code":"D","user_code":"U","verification_uri":"https://as.example/","interval":-1,"expires_in":1e300}`))
	c := new(Client)
	f.Fuzz(func(t *testing.T, body []byte) {
		o, err := parseObject(body)
		if err != nil {
			checkError(t, err)
			return
		}
		if s, err := c.parseServer(o, "https://as.example"); err != nil {
			checkError(t, err)
		} else if s.Issuer != "https://as.example" {
			t.Error(s.Issuer)
		} else {
			for _, e := range []string{s.AuthorizationEndpoint, s.TokenEndpoint, s.DeviceAuthorizationEndpoint, s.RegistrationEndpoint, s.RevocationEndpoint} {
				if e != "" && c.CheckURL(e) != nil {
					t.Errorf("accepted %q", e)
				}
			}
			s.ForeignOrigins()
		}
		if p, err := c.parseResource(o); err != nil {
			checkError(t, err)
		} else if len(p.AuthorizationServers) == 0 {
			t.Error("a resource without a server")
		}
		a := answer{status: 200, mediaType: "application/json", body: body}
		if r, err := c.parseRegistered(a, Registration{}, nil); err != nil {
			checkError(t, err)
		} else if r.ClientID == "" || !isSecret(r.ClientSecret.Reveal()) {
			t.Errorf("%+v", r)
		}
		if d, err := c.parseDevice(a, time.Now(), Quirks{}, nil); err != nil {
			checkError(t, err)
		} else if c.CheckURL(d.VerificationURI) != nil || d.Interval < time.Second || time.Until(d.Expiry) > maxDeviceTTL {
			t.Errorf("%+v", d)
		}
	})
}

// FuzzChallenges: what is accepted can be written again and means the same.
func FuzzChallenges(f *testing.F) {
	for _, h := range []string{`Bearer realm="a", error=b, Basic`, `Negotiate abc==, Newauth x="\""`, `a b=c,d e`, `,, ,`} {
		f.Add(h)
	}
	f.Fuzz(func(t *testing.T, header string) {
		first, err := ParseChallenges([]string{header})
		if err != nil {
			checkError(t, err)
			return
		}
		second, err := ParseChallenges([]string{printChallenges(first)})
		if diff := cmp.Diff(first, second); diff != "" || err != nil {
			t.Errorf("%q as %q: %v (-first +second):\n%s", header, printChallenges(first), err, diff)
		}
	})
}

func printChallenges(all []Challenge) string {
	var b strings.Builder
	for i, c := range all {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(c.Scheme)
		if c.Token68 != "" {
			b.WriteString(" " + c.Token68)
		}
		for j, name := range slices.Sorted(maps.Keys(c.Params)) {
			if j > 0 {
				b.WriteString(",")
			}
			fmt.Fprintf(&b, ` %s="%s"`, name, strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(c.Params[name]))
		}
	}
	return b.String()
}

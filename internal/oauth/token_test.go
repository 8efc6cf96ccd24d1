package oauth_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"authsome/internal/oauth"
	"authsome/internal/oauth/oauthtest"
)

// refreshWith returns what a refresh makes of an answer of the token endpoint.
func refreshWith(t *testing.T, q oauth.Quirks, status int, contentType, body string) (oauth.Token, error) {
	t.Helper()
	f := newFixture()
	f.meta.Quirks = q
	f.Script(oauthtest.Token, oauthtest.Respond(status, contentType, body))
	return f.client.Refresh(t.Context(), f.meta, public, oauth.RefreshGrant{RefreshToken: text("old-refresh"), Scopes: []string{"asked"}})
}

// exchangeWith is refreshWith for a code.
func exchangeWith(t *testing.T, q oauth.Quirks, body string) (oauth.Token, error) {
	t.Helper()
	f := newFixture()
	f.meta.Quirks = q
	f.Script(oauthtest.Token, oauthtest.Respond(200, "application/json", body))
	return f.client.Exchange(t.Context(), f.meta, public, oauth.CodeGrant{Code: text("code"), Verifier: oauth.NewVerifier(), Scopes: []string{"asked"}})
}

func TestTokenAnswers(t *testing.T) {
	const asJSON, asForm = "application/json", "application/x-www-form-urlencoded"
	asked := []string{"asked"}
	at, old := text("AT"), text("old-refresh")
	for _, test := range []struct {
		name, contentType, body string
		quirks                  oauth.Quirks
		want                    oauth.Token // Expiry is of a lifetime below
		lifetime                time.Duration
	}{
		{"least", asJSON, `{"access_token":"AT"}`, oauth.Quirks{}, oauth.Token{AccessToken: at, RefreshToken: old, TokenType: "Bearer", Scopes: asked}, 0},
		{"nulls", asJSON, `{"access_token":"AT","refresh_token":null,"expires_in":null,"scope":null,"error":null,"token_type":null}`, oauth.Quirks{},
			oauth.Token{AccessToken: at, RefreshToken: old, TokenType: "Bearer", Scopes: asked}, 0},
		{"empty error", asJSON, `{"access_token":"AT","error":""}`, oauth.Quirks{}, oauth.Token{AccessToken: at, RefreshToken: old, TokenType: "Bearer", Scopes: asked}, 0},
		{"string lifetime", asJSON, `{"access_token":"AT","expires_in":"3600"}`, oauth.Quirks{}, oauth.Token{AccessToken: at, RefreshToken: old, TokenType: "Bearer", Scopes: asked}, time.Hour},
		{"fraction", asJSON, `{"access_token":"AT","expires_in":3600.9}`, oauth.Quirks{}, oauth.Token{AccessToken: at, RefreshToken: old, TokenType: "Bearer", Scopes: asked}, time.Hour},
		{"endless lifetime", asJSON, `{"access_token":"AT","expires_in":1e400}`, oauth.Quirks{}, oauth.Token{AccessToken: at, RefreshToken: old, TokenType: "Bearer", Scopes: asked}, 10 * 365 * 24 * time.Hour},
		{"overflowing lifetime", asJSON, `{"access_token":"AT","expires_in":9223372036854775807}`, oauth.Quirks{}, oauth.Token{AccessToken: at, RefreshToken: old, TokenType: "Bearer", Scopes: asked}, 10 * 365 * 24 * time.Hour},
		{"negative lifetime", asJSON, `{"access_token":"AT","expires_in":-5}`, oauth.Quirks{}, oauth.Token{AccessToken: at, RefreshToken: old, TokenType: "Bearer", Scopes: asked}, 0},
		{"lifetime in words", asJSON, `{"access_token":"AT","expires_in":"soon"}`, oauth.Quirks{}, oauth.Token{AccessToken: at, RefreshToken: old, TokenType: "Bearer", Scopes: asked}, 0},
		{"not a number", asJSON, `{"access_token":"AT","expires_in":"NaN"}`, oauth.Quirks{}, oauth.Token{AccessToken: at, RefreshToken: old, TokenType: "Bearer", Scopes: asked}, 0},
		{"other type", asJSON, `{"access_token":"AT","token_type":"DPoP"}`, oauth.Quirks{}, oauth.Token{AccessToken: at, RefreshToken: old, TokenType: "DPoP", Scopes: asked}, 0},
		{"names in other case", asJSON, `{"access_token":"AT","Access_Token":"EVIL","EXPIRES_IN":1}`, oauth.Quirks{}, oauth.Token{AccessToken: at, RefreshToken: old, TokenType: "Bearer", Scopes: asked}, 0},
		{"form", asForm, `access_token=AT&scope=repo%2Cgist&token_type=bearer&expires_in=60`, oauth.Quirks{GrantedScopeSeparator: ","},
			oauth.Token{AccessToken: at, RefreshToken: old, TokenType: "bearer", Scopes: []string{"repo", "gist"}}, time.Minute},
		{"form called text", "text/plain; charset=utf-8", `access_token=AT&refresh_token=RT`, oauth.Quirks{}, oauth.Token{AccessToken: at, RefreshToken: text("RT"), TokenType: "Bearer", Scopes: asked}, 0},
		{"JSON called text", "text/plain", ` {"access_token":"AT"}`, oauth.Quirks{}, oauth.Token{AccessToken: at, RefreshToken: old, TokenType: "Bearer", Scopes: asked}, 0},
		{"JSON called nothing", "", `{"access_token":"AT"}`, oauth.Quirks{}, oauth.Token{AccessToken: at, RefreshToken: old, TokenType: "Bearer", Scopes: asked}, 0},
		{"O026 fewer scopes", asJSON, `{"access_token":"AT","scope":"read"}`, oauth.Quirks{}, oauth.Token{AccessToken: at, RefreshToken: old, TokenType: "Bearer", Scopes: []string{"read"}}, 0},
		{"O026 no scopes", asJSON, `{"access_token":"AT","scope":""}`, oauth.Quirks{}, oauth.Token{AccessToken: at, RefreshToken: old, TokenType: "Bearer", Scopes: []string{}}, 0},
		{"O026 more scopes in a list", asJSON, `{"access_token":"AT","scope":["asked","admin"]}`, oauth.Quirks{}, oauth.Token{AccessToken: at, RefreshToken: old, TokenType: "Bearer", Scopes: []string{"asked", "admin"}}, 0},
		{"commas", asJSON, `{"access_token":"AT","scope":"a,b"}`, oauth.Quirks{ScopeSeparator: ","}, oauth.Token{AccessToken: at, RefreshToken: old, TokenType: "Bearer", Scopes: []string{"a", "b"}}, 0},
		{"O033 id_token", asJSON, `{"access_token":"AT","id_token":"eyJhbGciOiJub25lIn0.eyJzdWIiOiI8c2NyaXB0PiJ9."}`, oauth.Quirks{Extra: []string{"id_token"}},
			oauth.Token{AccessToken: at, RefreshToken: old, TokenType: "Bearer", Scopes: asked}, 0},
		{"O033 huge id_token of the wrong kind", asJSON, `{"access_token":"AT","id_token":["` + strings.Repeat("x", 200<<10) + `"]}`, oauth.Quirks{},
			oauth.Token{AccessToken: at, RefreshToken: old, TokenType: "Bearer", Scopes: asked}, 0},
		{"extra", asJSON, `{"access_token":"AT","refresh_token":"RT-123","team":{"name":"A\u001b[31m\u202eB","id":7},"instance_url":"https://x.example","copy":"see RT-123"}`,
			oauth.Quirks{Extra: []string{"team.name", "team.id", "instance_url", "copy", "access_token", "none.at.all"}},
			oauth.Token{AccessToken: at, RefreshToken: text("RT-123"), TokenType: "Bearer", Scopes: asked,
				Extra: map[string]string{"team.name": "A [31m B", "instance_url": "https://x.example", "copy": "see [redacted]"}}, 0},
		{"nested token of a refresh", asJSON, `{"ok":true,"access_token":"AT","scope":"a,b"}`, oauth.Quirks{AccessTokenPath: "authed_user.access_token", ScopeSeparator: ","},
			oauth.Token{AccessToken: at, RefreshToken: old, TokenType: "Bearer", Scopes: []string{"a", "b"}}, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			if test.lifetime > 0 {
				test.want.Expiry = time.Now().Add(test.lifetime)
			}
			got, err := refreshWith(t, test.quirks, 200, test.contentType, test.body)
			if err != nil {
				t.Errorf("%s: %v", test.name, err)
			} else if diff := cmp.Diff(test.want, got, secretEqual); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.name, diff)
			}
		})
	}
}

// TestTokenPath: with a code, only the nested token counts; what stands on top
// is somebody else's.
func TestTokenPath(t *testing.T) {
	q := oauth.Quirks{AccessTokenPath: "authed_user.access_token"}
	got, err := exchangeWith(t, q, `{"ok":true,"access_token":"BOT","refresh_token":"BOT-RT","scope":"bot",
		"authed_user":{"id":"U1","access_token":"USER","scope":"chat:write","token_type":"user","refresh_token":"USER-RT"}}`)
	want := oauth.Token{AccessToken: text("USER"), RefreshToken: text("USER-RT"), TokenType: "user", Scopes: []string{"chat:write"}}
	if diff := cmp.Diff(want, got, secretEqual); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for _, body := range []string{
		`{"access_token":"BOT"}`, `{"access_token":"BOT","authed_user":{"id":"U1"}}`, `{"access_token":"BOT","authed_user":"x"}`,
		`{"access_token":"BOT","authed_user":{"access_token":["USER"]}}`, `{"access_token":"BOT","authed_user":null}`,
	} {
		if _, err := exchangeWith(t, q, body); !errors.Is(err, oauth.ErrAnswer) {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestTokenAnswersRefused(t *testing.T) {
	long := strings.Repeat("x", 16<<10)
	for name, test := range map[string]struct{ contentType, body string }{
		"empty":               {"application/json", ``},
		"array":               {"application/json", `[{"access_token":"AT"}]`},
		"string":              {"application/json", `"AT"`},
		"null":                {"application/json", `null`},
		"no token":            {"application/json", `{"token_type":"Bearer"}`},
		"empty token":         {"application/json", `{"access_token":""}`},
		"null token":          {"application/json", `{"access_token":null}`},
		"number":              {"application/json", `{"access_token":1}`},
		"line break":          {"application/json", `{"access_token":"A\r\nX: y"}`},
		"zero byte":           {"application/json", `{"access_token":"A\u0000"}`},
		"not ASCII":           {"application/json", `{"access_token":"Ä"}`},
		"space at the end":    {"application/json", `{"access_token":"AT "}`},
		"long":                {"application/json", `{"access_token":"` + long + `"}`},
		"refresh line break":  {"application/json", `{"access_token":"AT","refresh_token":"R\n"}`},
		"refresh list":        {"application/json", `{"access_token":"AT","refresh_token":["R"]}`},
		"type":                {"application/json", `{"access_token":"AT","token_type":"Bearer\r\nX: y"}`},
		"type number":         {"application/json", `{"access_token":"AT","token_type":1}`},
		"scope":               {"application/json", `{"access_token":"AT","scope":"a\u001b[31m"}`},
		"scope number":        {"application/json", `{"access_token":"AT","scope":7}`},
		"scopes":              {"application/json", `{"access_token":"AT","scope":"` + strings.Repeat("a ", 1001) + `"}`},
		"duplicate":           {"application/json", `{"access_token":"AT","access_token":"AU"}`},
		"escaped duplicate":   {"application/json", `{"access_token":"AT","\u0061ccess_token":"AU"}`},
		"trailing":            {"application/json", `{"access_token":"AT"} {}`},
		"truncated":           {"application/json", `{"access_token":"AT"`},
		"UTF-8":               {"application/json", "{\"access_token\":\"AT\",\"x\":\"\xff\"}"},
		"too large":           {"application/json", `{"access_token":"AT","x":"` + strings.Repeat("x", 256<<10) + `"}`},
		"deep":                {"application/json", `{"access_token":"AT","x":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}`},
		"HTML":                {"text/html", `{"access_token":"AT"}`},
		"image":               {"image/png", `{"access_token":"AT"}`},
		"duplicate in a form": {"application/x-www-form-urlencoded", `access_token=AT&access_token=AU`},
		"malformed form":      {"application/x-www-form-urlencoded", `access_token=%zz`},
		"empty form":          {"application/x-www-form-urlencoded", ``},
	} {
		got, err := refreshWith(t, oauth.Quirks{}, 200, test.contentType, test.body)
		if !errors.Is(err, oauth.ErrAnswer) || !got.AccessToken.IsZero() {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && (strings.Contains(err.Error(), "AT") || len(err.Error()) > 200) {
			t.Errorf("%s: the error repeats the answer: %.300s", name, err)
		}
	}
}

func TestRefusals(t *testing.T) {
	for _, test := range []struct {
		name, contentType, body string
		status                  int
		want                    oauth.Error
		temporary               bool
	}{
		{"RFC 6749 section 5.2", "application/json;charset=UTF-8", `{"error":"invalid_request"}`, 400, oauth.Error{Code: "invalid_request", Status: 400}, false},
		{"success in status only", "application/json", `{"error":"bad_verification_code","error_description":"The code passed is incorrect or expired.","error_uri":"https://docs.example/x"}`, 200,
			oauth.Error{Code: "bad_verification_code", Description: "The code passed is incorrect or expired.", URI: "https://docs.example/x", Status: 200}, false},
		{"not ok", "application/json", `{"ok":false,"error":"token_revoked"}`, 200, oauth.Error{Code: "invalid_grant", Status: 200}, false},
		{"form", "application/x-www-form-urlencoded", `error=incorrect_client_credentials&error_description=x`, 200, oauth.Error{Code: "incorrect_client_credentials", Description: "x", Status: 200}, false},
		{"O013 escapes", "application/json", `{"error":"invalid_\u001b[31mgrant","error_description":"a\u001b]0;title\u0007\r\nb\u202ec\u0000\u009b31m","error_uri":"javascript:alert(1)"}`, 400,
			oauth.Error{Code: "invalid_ [31mgrant", Description: "a ]0;title   b c  31m", Status: 400}, false},
		{"O013 long", "application/json", `{"error":"invalid_grant","error_description":"` + strings.Repeat("ä", 1<<19) + `"}`, 400,
			oauth.Error{Code: "invalid_grant", Description: strings.Repeat("ä", 500) + "…", Status: 400}, false},
		{"secret repeated", "application/json", `{"error":"invalid_grant","error_description":"old-refresh is no token","error_uri":"https://x.example/old-refresh"}`, 400,
			oauth.Error{Code: "invalid_grant", Description: "[redacted] is no token", Status: 400}, false},
		{"page", "text/html", `<h1>Bad gateway</h1>`, 502, oauth.Error{Status: 502}, true},
		{"too many", "text/plain", ``, 429, oauth.Error{Status: 429}, true},
		{"unable", "application/json", `{"error":"temporarily_unavailable"}`, 400, oauth.Error{Code: "temporarily_unavailable", Status: 400}, true},
		{"decided with a strange status", "application/json", `{"error":"invalid_grant"}`, 500, oauth.Error{Code: "invalid_grant", Status: 500}, false},
		{"other kinds", "application/json", `{"error":{"code":7},"error_description":[]}`, 403, oauth.Error{Status: 403}, false},
		{"error of another kind", "application/json", `{"access_token":"AT","error":true}`, 200, oauth.Error{Status: 200}, false},
		{"O011 redirect with words", "application/json", `{"error":"invalid_grant","access_token":"AT"}`, 307, oauth.Error{Status: 307}, false},
		{"not modified", "text/plain", ``, 304, oauth.Error{Status: 304}, false},
	} {
		_, err := refreshWith(t, oauth.Quirks{ErrorCodes: map[string]string{"token_revoked": "invalid_grant"}}, test.status, test.contentType, test.body)
		got, ok := errors.AsType[*oauth.Error](err)
		if !ok {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if diff := cmp.Diff(test.want, *got); diff != "" || got.Temporary() != test.temporary {
			t.Errorf("%s, temporary %v (-want +got):\n%s", test.name, got.Temporary(), diff)
		}
		if oauth.Code(err) != test.want.Code {
			t.Errorf("%s: code %q", test.name, oauth.Code(err))
		}
	}
}

func TestErrorText(t *testing.T) {
	for _, test := range []struct {
		err  oauth.Error
		want string
	}{
		{oauth.Error{Code: "invalid_grant", Description: "Gone.", URI: "https://x.example", Status: 400}, "invalid_grant: Gone."},
		{oauth.Error{Code: "access_denied"}, "access_denied"},
		{oauth.Error{Status: 503}, "HTTP 503 Service Unavailable"},
		{oauth.Error{Status: 307}, "redirect refused (HTTP 307)"},
	} {
		if got := test.err.Error(); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
	if oauth.Code(errors.New("x")) != "" || oauth.Code(nil) != "" {
		t.Error("a code from nothing")
	}
}

func TestMissingScopes(t *testing.T) {
	got := oauth.MissingScopes([]string{"a", "b", "c"}, []string{"c", "a", "d"})
	if diff := cmp.Diff([]string{"b"}, got); diff != "" {
		t.Errorf("O026 (-want +got):\n%s", diff)
	}
}

// TestUserAgent: some servers refuse the default of net/http.
func TestUserAgent(t *testing.T) {
	f := newFixture()
	f.client.UserAgent = "authsome/1.0 (test)"
	_, _ = f.client.Discover(t.Context(), issuer)
	if got := f.Requests("")[0].Header; got.Get("User-Agent") != "authsome/1.0 (test)" || got.Get("Accept") != "application/json" || http.Header(got).Get("Authorization") != "" {
		t.Error(got)
	}
}

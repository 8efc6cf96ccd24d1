package oauth_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"authsome/internal/oauth"
	"authsome/internal/oauth/oauthtest"
	"authsome/internal/secret"
)

// The client of RFC 6749's examples.
var example = oauth.App{ClientID: "s6BhdRkqt3", ClientSecret: text("7Fjfp0ZBr1KtDRbnfVdmIw")}

const exampleAnswer = `{
       "access_token":"2YotnFZFEjr1zCsicMWpAA",
       "token_type":"example",
       "expires_in":3600,
       "refresh_token":"tGzv3JOkF0XG5Qx2TlKWIA",
       "example_parameter":"example_value"
     }`

// TestTokenRequests compares requests with the examples of RFC 6749 sections
// 4.1.3, 4.4.2 and 6, byte for byte.
func TestTokenRequests(t *testing.T) {
	synctest.Test(t, testTokenRequests)
}

func testTokenRequests(t *testing.T) {
	answered := oauth.Token{
		AccessToken: text("2YotnFZFEjr1zCsicMWpAA"), RefreshToken: text("tGzv3JOkF0XG5Qx2TlKWIA"),
		TokenType: "example", Expiry: time.Now().Add(time.Hour), Scopes: []string{"asked"},
	}
	basic := http.Header{
		"Authorization": {"Basic czZCaGRSa3F0Mzo3RmpmcDBaQnIxS3REUmJuZlZkbUl3"},
		"Content-Type":  {"application/x-www-form-urlencoded"}, "Accept": {"application/json"}, "User-Agent": {"authsome"},
	}
	anonymous := basic.Clone()
	anonymous.Del("Authorization")
	asJSON := anonymous.Clone()
	asJSON.Set("Content-Type", "application/json")
	post := example
	post.AuthMethod = oauth.AuthPost
	verifier := text("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
	code := oauth.CodeGrant{Code: text("SplxlOBeZQQYbYS6WxSbIA"), RedirectURI: "https://client.example.com/cb", Verifier: verifier, Scopes: []string{"asked"}}
	refresh := oauth.RefreshGrant{RefreshToken: text("tGzv3JOkF0XG5Qx2TlKWIA"), Scopes: []string{"asked"}}
	for _, test := range []struct {
		name   string
		call   func(*fixture) (oauth.Token, error)
		quirks oauth.Quirks
		header http.Header
		body   string
	}{
		{"code", func(f *fixture) (oauth.Token, error) { return f.client.Exchange(t.Context(), f.meta, example, code) }, oauth.Quirks{},
			basic, "code=SplxlOBeZQQYbYS6WxSbIA&code_verifier=dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk&grant_type=authorization_code&redirect_uri=https%3A%2F%2Fclient.example.com%2Fcb"},
		{"code of a public client", func(f *fixture) (oauth.Token, error) { return f.client.Exchange(t.Context(), f.meta, public, code) }, oauth.Quirks{},
			anonymous, "client_id=app&code=SplxlOBeZQQYbYS6WxSbIA&code_verifier=dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk&grant_type=authorization_code&redirect_uri=https%3A%2F%2Fclient.example.com%2Fcb"},
		{"refresh", func(f *fixture) (oauth.Token, error) { return f.client.Refresh(t.Context(), f.meta, example, refresh) }, oauth.Quirks{},
			basic, "grant_type=refresh_token&refresh_token=tGzv3JOkF0XG5Qx2TlKWIA"},
		{"refresh, client_secret_post", func(f *fixture) (oauth.Token, error) { return f.client.Refresh(t.Context(), f.meta, post, refresh) }, oauth.Quirks{},
			anonymous, "client_id=s6BhdRkqt3&client_secret=7Fjfp0ZBr1KtDRbnfVdmIw&grant_type=refresh_token&refresh_token=tGzv3JOkF0XG5Qx2TlKWIA"},
		{"refresh with a resource", func(f *fixture) (oauth.Token, error) {
			g := refresh
			g.Resources = []string{"https://api.example/a", "https://api.example/c"}
			return f.client.Refresh(t.Context(), f.meta, example, g)
		}, oauth.Quirks{},
			basic, "grant_type=refresh_token&refresh_token=tGzv3JOkF0XG5Qx2TlKWIA&resource=https%3A%2F%2Fapi.example%2Fa&resource=https%3A%2F%2Fapi.example%2Fc"},
		{"client credentials", func(f *fixture) (oauth.Token, error) {
			return f.client.ClientCredentials(t.Context(), f.meta, example, []string{"asked"}, nil)
		}, oauth.Quirks{TokenParams: map[string]string{"audience": "https://api.example"}},
			basic, "audience=https%3A%2F%2Fapi.example&grant_type=client_credentials&scope=asked"},
		{"JSON", func(f *fixture) (oauth.Token, error) { return f.client.Refresh(t.Context(), f.meta, post, refresh) }, oauth.Quirks{TokenRequestJSON: true},
			asJSON, `{"client_id":"s6BhdRkqt3","client_secret":"7Fjfp0ZBr1KtDRbnfVdmIw","grant_type":"refresh_token","refresh_token":"tGzv3JOkF0XG5Qx2TlKWIA"}`},
	} {
		f := newFixture()
		f.meta.Quirks = test.quirks
		f.Script(oauthtest.Token, oauthtest.Respond(200, "application/json;charset=UTF-8", exampleAnswer))
		token, err := test.call(f)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		got := f.Requests(oauthtest.Token)[0]
		got.At = time.Time{}
		want := oauthtest.Request{Method: "POST", Host: "as.example", Path: "/token", Header: test.header, Body: test.body}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: request (-want +got):\n%s", test.name, diff)
		}
		if diff := cmp.Diff(answered, token, secretEqual); diff != "" {
			t.Errorf("%s: token (-want +got):\n%s", test.name, diff)
		}
	}
}

// TestBasicEncoding: both halves are form-encoded first (RFC 6749 section 2.3.1).
func TestBasicEncoding(t *testing.T) {
	f := newFixture()
	f.AddApp(oauthtest.App{ID: "a:b c", Secret: "p%+:&é", AuthMethod: "client_secret_basic"})
	a := oauth.App{ClientID: "a:b c", ClientSecret: text("p%+:&é")}
	if _, err := f.client.ClientCredentials(t.Context(), f.meta, a, nil, nil); err != nil {
		t.Fatal(err)
	}
	want := "Basic YSUzQWIrYzpwJTI1JTJCJTNBJTI2JUMzJUE5" // a%3Ab+c:p%25%2B%3A%26%C3%A9
	if got := f.Requests(oauthtest.Token)[0].Header.Get("Authorization"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestAuthMethod: the method is chosen once, and not by trying.
func TestAuthMethod(t *testing.T) {
	for _, test := range []struct {
		app       oauth.App
		supported []string
		want      string // "" for refused
	}{
		{public, nil, "none"},
		{public, []string{"client_secret_post"}, "none"},
		{example, nil, "basic"},
		{example, []string{"client_secret_post", "client_secret_basic"}, "basic"},
		{example, []string{"client_secret_post", "private_key_jwt"}, "post"},
		{example, []string{"private_key_jwt"}, ""},
		{oauth.App{ClientID: "a", ClientSecret: text("s"), AuthMethod: "client_secret_post"}, []string{"client_secret_basic"}, "post"},
		{oauth.App{ClientID: "a", ClientSecret: text("s"), AuthMethod: "none"}, nil, "none"},
		{oauth.App{ClientID: "a", AuthMethod: "client_secret_post"}, nil, ""},
		{oauth.App{ClientID: "a", ClientSecret: text("s"), AuthMethod: "tls_client_auth"}, nil, ""},
		{oauth.App{ClientSecret: text("s")}, nil, ""},
	} {
		f := newFixture()
		f.meta.TokenEndpointAuthMethodsSupported = test.supported
		_, err := f.client.Refresh(t.Context(), f.meta, test.app, oauth.RefreshGrant{RefreshToken: text("rrrr")})
		requests, got := f.Requests(oauthtest.Token), ""
		if len(requests) > 0 {
			form := requests[0].Form()
			switch {
			case requests[0].Header.Get("Authorization") != "" && !form.Has("client_id"):
				got = "basic"
			case form.Has("client_secret"):
				got = "post"
			default:
				got = "none"
			}
		}
		if got != test.want || (got == "") != errors.Is(err, oauth.ErrClient) || len(requests) > 1 {
			t.Errorf("%+v with %v: %q after %d requests (%v), want %q", test.app, test.supported, got, len(requests), err, test.want)
		}
	}
}

// TestAuthorizationURL holds the example of RFC 6749 section 4.1.1, with the
// challenge of RFC 7636 appendix B, and O018.
func TestAuthorizationURL(t *testing.T) {
	request := oauth.AuthorizationRequest{
		RedirectURI: "https://client.example.com/cb", State: text("xyz"), Verifier: text("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
	}
	const ours = "client_id=s6BhdRkqt3&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256" +
		"&redirect_uri=https%3A%2F%2Fclient.example.com%2Fcb&response_type=code"
	for _, test := range []struct {
		name, endpoint string
		scopes         []string
		resources      []string
		quirks         oauth.Quirks
		want           string // "" for refused
	}{
		{"example", "https://server.example.com/authorize", nil, nil, oauth.Quirks{},
			"https://server.example.com/authorize?" + ours + "&state=xyz"},
		{"O018 query and fragment", "https://server.example.com/authorize?tenant=a%20b&x=#frag", nil, nil, oauth.Quirks{},
			"https://server.example.com/authorize?tenant=a%20b&x=&" + ours + "&state=xyz"},
		{"O018 scopes", "https://server.example.com/authorize", []string{`a"b`, "c'd", "e&f=g", "h;$(`i`)\n-"}, nil, oauth.Quirks{},
			"https://server.example.com/authorize?" + ours + "&scope=a%22b+c%27d+e%26f%3Dg+h%3B%24%28%60i%60%29%0A-&state=xyz"},
		{"separator and parameter", "https://server.example.com/authorize", []string{"a", "b"}, nil, oauth.Quirks{ScopeSeparator: ",", ScopeParam: "user_scope"},
			"https://server.example.com/authorize?" + ours + "&state=xyz&user_scope=a%2Cb"},
		{"quirks", "https://server.example.com/authorize", nil, nil, oauth.Quirks{AuthorizationParams: map[string]string{"access_type": "offline", "audience": "https://api"}},
			"https://server.example.com/authorize?access_type=offline&audience=https%3A%2F%2Fapi&" + ours + "&state=xyz"},
		{"resource", "https://server.example.com/authorize", nil, []string{"https://api.example/mcp"}, oauth.Quirks{},
			"https://server.example.com/authorize?" + strings.Replace(ours, "response_type=code", "resource=https%3A%2F%2Fapi.example%2Fmcp&response_type=code", 1)},
		{"resource with a fragment", "https://server.example.com/authorize", nil, []string{"https://api.example/#x"}, oauth.Quirks{}, ""},
		{"relative resource", "https://server.example.com/authorize", nil, []string{"/mcp"}, oauth.Quirks{}, ""},
		{"quirk replaces state", "https://server.example.com/authorize", nil, nil, oauth.Quirks{AuthorizationParams: map[string]string{"state": "mine"}}, ""},
		{"endpoint holds state", "https://server.example.com/authorize?state=mine", nil, nil, oauth.Quirks{}, ""},
		{"endpoint holds a quirk", "https://server.example.com/authorize?prompt=none", nil, nil, oauth.Quirks{AuthorizationParams: map[string]string{"prompt": "consent"}}, ""},
		{"malformed query", "https://server.example.com/authorize?%zz", nil, nil, oauth.Quirks{}, ""},
		{"http", "http://server.example.com/authorize", nil, nil, oauth.Quirks{}, ""},
		{"script", "javascript:alert(1)", nil, nil, oauth.Quirks{}, ""},
		{"O017 shell", "https://server.example.com/authorize\" ;$(reboot)", nil, nil, oauth.Quirks{}, ""},
		{"O017 option", "--help", nil, nil, oauth.Quirks{}, ""},
	} {
		r := request
		r.Scopes, r.Resources = test.scopes, test.resources
		got, err := new(oauth.Client).AuthorizationURL(oauth.Server{AuthorizationEndpoint: test.endpoint, Quirks: test.quirks}, example, r)
		if test.resources != nil && test.want != "" {
			test.want += "&state=xyz"
		}
		if got != test.want || (err == nil) != (test.want != "") {
			t.Errorf("%s:\ngot  %s (%v)\nwant %s", test.name, got, err, test.want)
		}
		// O017: whatever it holds, a shell, a terminal and an option parser see one word.
		if i := strings.IndexFunc(got, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("\"'`$;()<>|\\", r) }); i >= 0 {
			t.Errorf("%s: %q at byte %d", test.name, got[i], i)
		}
	}
}

func TestAuthorizationURLNeedsAll(t *testing.T) {
	s := metadata(issuer)
	full := oauth.AuthorizationRequest{RedirectURI: "http://127.0.0.1:1/", State: text("s"), Verifier: oauth.NewVerifier()}
	noState, noVerifier, noRedirect := full, full, full
	noState.State, noVerifier.Verifier, noRedirect.RedirectURI = secret.Text{}, secret.Text{}, ""
	for i, test := range []struct {
		app oauth.App
		r   oauth.AuthorizationRequest
	}{{oauth.App{}, full}, {public, noState}, {public, noVerifier}, {public, noRedirect}} {
		if _, err := new(oauth.Client).AuthorizationURL(s, test.app, test.r); !errors.Is(err, oauth.ErrClient) {
			t.Errorf("%d: %v", i, err)
		}
	}
}

// TestO007_codes: a code works once, with its verifier, for its client.
func TestO007_codes(t *testing.T) {
	f := newFixture()
	f.AddApp(oauthtest.App{ID: "other", AuthMethod: "none"})
	obtain := func() oauth.CodeGrant {
		verifier, state := oauth.NewVerifier(), oauth.NewState()
		u, err := f.client.AuthorizationURL(f.meta, public, oauth.AuthorizationRequest{RedirectURI: "http://127.0.0.1:1/cb", State: state, Verifier: verifier})
		if err != nil {
			t.Fatal(err)
		}
		req, _ := http.NewRequest("GET", u, nil)
		resp, err := f.Transport().RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		location, err := resp.Location()
		if err != nil || location.Query().Get("state") != state.Reveal() || location.Query().Get("iss") != issuer {
			t.Fatal(location, err)
		}
		return oauth.CodeGrant{Code: text(location.Query().Get("code")), RedirectURI: "http://127.0.0.1:1/cb", Verifier: verifier}
	}
	good, wrongVerifier, wrongRedirect := obtain(), obtain(), obtain()
	wrongVerifier.Verifier, wrongRedirect.RedirectURI = oauth.NewVerifier(), "http://127.0.0.1:2/cb"
	token, err := f.client.Exchange(t.Context(), f.meta, public, good)
	if err != nil || !f.Active(token.AccessToken.Reveal()) {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		app oauth.App
		g   oauth.CodeGrant
	}{
		"replay": {public, good}, "O009 code of another's login": {public, wrongVerifier}, "redirect": {public, wrongRedirect},
		"client": {oauth.App{ClientID: "other"}, obtain()}, "unknown": {public, oauth.CodeGrant{Code: text("nonsense"), Verifier: oauth.NewVerifier()}},
	} {
		got, err := f.client.Exchange(t.Context(), f.meta, test.app, test.g)
		if oauth.Code(err) != oauth.InvalidGrant || !cmp.Equal(got, oauth.Token{}, secretEqual) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if f.Active(token.AccessToken.Reveal()) {
		t.Error("a replayed code left its token alive: the test server is too kind")
	}
}

// TestO024_refresh: every combination of a rotated or kept refresh token with
// and without a lifetime.
func TestO024_refresh(t *testing.T) {
	for _, rotate := range []bool{false, true} {
		for _, ttl := range []time.Duration{0, time.Hour} {
			t.Run(fmt.Sprintf("rotate %v ttl %v", rotate, ttl), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := newFixture()
					f.Rotate, f.TTL = rotate, ttl
					_, old := f.Grant("app", "read write")
					token, err := f.client.Refresh(t.Context(), f.meta, public, oauth.RefreshGrant{RefreshToken: text(old)})
					if err != nil {
						t.Fatal(err)
					}
					var expiry time.Time
					if ttl > 0 {
						expiry = time.Now().Add(ttl)
					}
					if token.RefreshToken.Equal(text(old)) == rotate || !f.Refreshable(token.RefreshToken.Reveal()) || !token.Expiry.Equal(expiry) {
						t.Errorf("refresh token kept %v, expiry %v", token.RefreshToken.Equal(text(old)), token.Expiry)
					}
				})
			})
		}
	}
}

// TestO025_clock: a lifetime counts from before the request, by the monotonic
// clock, so neither the server's clock nor a jump of ours moves it.
func TestO025_clock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		_, refresh := f.Grant("app", "")
		f.Script(oauthtest.Token, oauthtest.Slow(20*time.Second))
		start := time.Now()
		token, err := f.client.Refresh(t.Context(), f.meta, public, oauth.RefreshGrant{RefreshToken: text(refresh)})
		if err != nil || token.Expiry.Sub(start) != time.Hour {
			t.Fatal(token.Expiry, err)
		}
	})
	f := newFixture()
	_, refresh := f.Grant("app", "")
	token, err := f.client.Refresh(t.Context(), f.meta, public, oauth.RefreshGrant{RefreshToken: text(refresh)})
	if err != nil || !strings.Contains(token.Expiry.String(), " m=") {
		t.Errorf("no monotonic reading in %s (%v)", token.Expiry, err)
	}
}

// TestRotationKillsGrant: reuse of a rotated token is told apart from a fault
// of the network, and a lost answer is not retried here.
func TestRotationKillsGrant(t *testing.T) {
	f := newFixture()
	_, first := f.Grant("app", "")
	f.Script(oauthtest.Token, oauthtest.Lost)
	_, err := f.client.Refresh(t.Context(), f.meta, public, oauth.RefreshGrant{RefreshToken: text(first)})
	if _, said := errors.AsType[*oauth.Error](err); err == nil || said {
		t.Errorf("a lost answer: %v", err)
	}
	if n := len(f.Requests(oauthtest.Token)); n != 1 {
		t.Errorf("%d requests", n)
	}
	_, err = f.client.Refresh(t.Context(), f.meta, public, oauth.RefreshGrant{RefreshToken: text(first)})
	if refused, ok := errors.AsType[*oauth.Error](err); !ok || *refused != (oauth.Error{Code: "invalid_grant", Status: 400}) || refused.Temporary() {
		t.Errorf("reuse: %v", err)
	}
}

func TestQuirksCannotReplace(t *testing.T) {
	f := newFixture()
	f.meta.Quirks.TokenParams = map[string]string{"grant_type": "password"}
	_, err := f.client.Refresh(t.Context(), f.meta, public, oauth.RefreshGrant{RefreshToken: text("rrrr")})
	if !errors.Is(err, oauth.ErrClient) || len(f.Requests("")) != 0 {
		t.Error(err)
	}
	if _, err := f.client.ClientCredentials(t.Context(), f.meta, public, nil, nil); !errors.Is(err, oauth.ErrClient) {
		t.Error(err)
	}
	if _, err := f.client.Refresh(t.Context(), f.meta, oauth.App{}, oauth.RefreshGrant{}); !errors.Is(err, oauth.ErrClient) {
		t.Error(err)
	}
}

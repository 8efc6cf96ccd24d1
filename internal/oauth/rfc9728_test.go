package oauth_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"authsome/internal/oauth"
	"authsome/internal/oauth/oauthtest"
)

const resource = issuer + oauthtest.API

func TestDiscoverResource(t *testing.T) {
	want := oauth.ProtectedResource{Resource: resource, AuthorizationServers: []string{issuer}, ScopesSupported: []string{"read"}}
	const wellKnown = oauthtest.Resource + oauthtest.API
	ofHost := oauthtest.Respond(200, "application/json", `{"resource":"`+issuer+`","authorization_servers":["`+issuer+`"]}`)
	for _, test := range []struct {
		name    string
		scripts map[string]oauthtest.Step
		want    oauth.ProtectedResource
		asked   []string
	}{
		{"challenge", nil, want, []string{oauthtest.API, wellKnown}},
		{"no challenge", map[string]oauthtest.Step{oauthtest.API: oauthtest.Respond(200, "text/plain", "hello")}, want, []string{oauthtest.API, wellKnown}},
		{"redirect", map[string]oauthtest.Step{oauthtest.API: oauthtest.Redirect(302, "https://evil.test/")}, want, []string{oauthtest.API, wellKnown}},
		{"whole host", map[string]oauthtest.Step{
			oauthtest.API: oauthtest.Respond(405, "text/plain", ""), wellKnown: oauthtest.Respond(404, "text/plain", ""), oauthtest.Resource: ofHost,
		}, oauth.ProtectedResource{Resource: issuer, AuthorizationServers: []string{issuer}}, []string{oauthtest.API, wellKnown, oauthtest.Resource}},
	} {
		f := newFixture()
		for path, step := range test.scripts {
			f.Script(path, step)
		}
		got, err := f.client.DiscoverResource(t.Context(), resource)
		if diff := cmp.Diff(test.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", test.name, err, diff)
		}
		var asked []string
		for _, r := range f.Requests("") {
			asked = append(asked, r.Path)
			if r.Header.Get("Authorization") != "" {
				t.Errorf("%s: a credential was sent", test.name)
			}
		}
		if diff := cmp.Diff(test.asked, asked); diff != "" {
			t.Errorf("%s: asked (-want +got):\n%s", test.name, diff)
		}
	}
}

// TestO014_resource: metadata about something else, or of nobody, are refused.
func TestO014_resource(t *testing.T) {
	for name, test := range map[string]struct {
		step oauthtest.Step
		want error
	}{
		"other resource":  {oauthtest.Set("resource", "https://evil.test/api"), oauth.ErrAnswer},
		"other path":      {oauthtest.Set("resource", issuer+"/other"), oauth.ErrAnswer},
		"no resource":     {oauthtest.Drop("resource"), oauth.ErrAnswer},
		"no server":       {oauthtest.Drop("authorization_servers"), oauth.ErrAnswer},
		"many servers":    {oauthtest.Set("authorization_servers", strings.Split(strings.Repeat(issuer+" ", 17), " ")), oauth.ErrAnswer},
		"http server":     {oauthtest.Set("authorization_servers", []string{"http://as.example"}), oauth.ErrURL},
		"server a string": {oauthtest.Set("authorization_servers", issuer), oauth.ErrAnswer},
		"2 MiB":           {oauthtest.Set("x", strings.Repeat("x", 2<<20)), oauth.ErrAnswer},
	} {
		f := newFixture()
		f.Script(oauthtest.Resource+oauthtest.API, test.step)
		got, err := f.client.DiscoverResource(t.Context(), resource)
		if !errors.Is(err, test.want) || !cmp.Equal(got, oauth.ProtectedResource{}) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// challenging adds a WWW-Authenticate header to every answer.
type challenging struct {
	*fixture
	header string
}

func (c challenging) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := c.Transport().RoundTrip(r)
	if err == nil {
		resp.Header.Set("WWW-Authenticate", c.header)
	}
	return resp, err
}

// TestResourceChallengeLies: where a refusal points is a URL like any other.
func TestResourceChallengeLies(t *testing.T) {
	for header, want := range map[string]error{
		`Bearer resource_metadata="http://169.254.169.254/latest"`: oauth.ErrURL,
		`Bearer resource_metadata="file:///etc/passwd"`:            oauth.ErrURL,
		`Bearer resource_metadata="`:                               oauth.ErrAnswer,
	} {
		f := newFixture()
		f.client.Transport = challenging{f, header}
		if _, err := f.client.DiscoverResource(t.Context(), resource); !errors.Is(err, want) {
			t.Errorf("%s: %v", header, err)
		}
		if n := len(f.Requests("")); n != 1 {
			t.Errorf("%s: %d requests", header, n)
		}
	}
}

func TestParseChallenges(t *testing.T) {
	type params = map[string]string
	for _, test := range []struct {
		headers []string
		want    []oauth.Challenge // nil for refused
	}{
		{[]string{`Bearer resource_metadata="https://resource.example.com/.well-known/oauth-protected-resource"`}, // RFC 9728 section 5.1
			[]oauth.Challenge{{Scheme: "bearer", Params: params{"resource_metadata": "https://resource.example.com/.well-known/oauth-protected-resource"}}}},
		{[]string{`Newauth realm="apps", type=1, title="Login to \"apps\"", Basic realm="simple"`}, // RFC 9110 section 11.6.1
			[]oauth.Challenge{{Scheme: "newauth", Params: params{"realm": "apps", "type": "1", "title": `Login to "apps"`}}, {Scheme: "basic", Params: params{"realm": "simple"}}}},
		{[]string{`Bearer realm="example", error="invalid_token", error_description="The access token expired"`}, // RFC 6750 section 3
			[]oauth.Challenge{{Scheme: "bearer", Params: params{"realm": "example", "error": "invalid_token", "error_description": "The access token expired"}}}},
		{[]string{`Negotiate YWJj==, Bearer`, `Basic`}, []oauth.Challenge{{Scheme: "negotiate", Token68: "YWJj=="}, {Scheme: "bearer"}, {Scheme: "basic"}}},
		{[]string{` , Basic ,, Bearer REALM = "x" , `}, []oauth.Challenge{{Scheme: "basic"}, {Scheme: "bearer", Params: params{"realm": "x"}}}},
		{[]string{`Bearer a=""`}, []oauth.Challenge{{Scheme: "bearer", Params: params{"a": ""}}}},
		{[]string{`Bearer a="open`}, nil},
		{[]string{`Bearer a="open\"`}, nil},
		{[]string{`Bearer a=1, a=2`}, nil},
		{[]string{`Bearer a=`, `Bearer a=,`}, []oauth.Challenge{{Scheme: "bearer", Token68: "a="}, {Scheme: "bearer", Token68: "a="}}},
		{[]string{`Bearer a=;`}, nil},
		{[]string{`Bearer a="x"; b="y"`}, nil},
		{[]string{`="x"`}, nil},
		{[]string{`Bearer"x"`}, nil},
		{[]string{"Bearer a=\"x\x01\""}, nil},
		{nil, nil},
	} {
		got, err := oauth.ParseChallenges(test.headers)
		if diff := cmp.Diff(test.want, got); diff != "" || errors.Is(err, oauth.ErrAnswer) != (test.want == nil && test.headers != nil) {
			t.Errorf("%q: %v (-want +got):\n%s", test.headers, err, diff)
		}
	}
}

package provider_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"authsome/internal/oauth"
	"authsome/internal/provider"
)

const endpoints = `"authorization_url":"https://login.acme.test/authorize","token_url":"https://login.acme.test/token"`

// plain is the server of endpoints, without a quirk.
func plain(quirks oauth.Quirks) oauth.Server {
	return oauth.Server{AuthorizationEndpoint: "https://login.acme.test/authorize", TokenEndpoint: "https://login.acme.test/token", Quirks: quirks}
}

// TestServer has one vector for each thing a definition can say about an
// authorization server.
func TestServer(t *testing.T) {
	with := func(change func(*oauth.Server)) oauth.Server {
		s := plain(oauth.Quirks{})
		change(&s)
		return s
	}
	for members, want := range map[string]oauth.Server{
		``:                                    plain(oauth.Quirks{}),
		`"issuer":"https://login.acme.test"`:  with(func(s *oauth.Server) { s.Issuer = "https://login.acme.test" }),
		`"resource":"https://api.acme.test/"`: plain(oauth.Quirks{}),
		`"revocation_url":"https://login.acme.test/revoke"`:         with(func(s *oauth.Server) { s.RevocationEndpoint = "https://login.acme.test/revoke" }),
		`"device_authorization_url":"https://login.acme.test/code"`: with(func(s *oauth.Server) { s.DeviceAuthorizationEndpoint = "https://login.acme.test/code" }),
		`"registration_endpoint":"https://login.acme.test/clients"`: with(func(s *oauth.Server) { s.RegistrationEndpoint = "https://login.acme.test/clients" }),
		`"token_endpoint_auth_method":"client_secret_post"`:         with(func(s *oauth.Server) { s.TokenEndpointAuthMethodsSupported = []string{oauth.AuthPost} }),
		`"token_endpoint_auth_method":"none"`:                       with(func(s *oauth.Server) { s.TokenEndpointAuthMethodsSupported = []string{oauth.AuthNone} }),
		`"authorization_params":{"access_type":"offline"}`:          plain(oauth.Quirks{AuthorizationParams: map[string]string{"access_type": "offline"}}),
		`"token_params":{"audience":"api"}`:                         plain(oauth.Quirks{TokenParams: map[string]string{"audience": "api"}}),
		`"token_request":"json"`:                                    plain(oauth.Quirks{TokenRequestJSON: true}),
		`"token_request":"form"`:                                    plain(oauth.Quirks{}),
		`"device_token_request":"json"`:                             plain(oauth.Quirks{DeviceTokenJSON: true}),
		`"scope_param":"user_scope"`:                                plain(oauth.Quirks{ScopeParam: "user_scope"}),
		`"scope_separator":","`:                                     plain(oauth.Quirks{ScopeSeparator: ","}),
		`"granted_scope_separator":","`:                             plain(oauth.Quirks{GrantedScopeSeparator: ","}),
		`"access_token_path":"authed_user.access_token"`:            plain(oauth.Quirks{AccessTokenPath: "authed_user.access_token"}),
		`"token_error_codes":{"gone":"invalid_grant"}`:              plain(oauth.Quirks{ErrorCodes: map[string]string{"gone": oauth.InvalidGrant}}),
		`"token_extra":["team.id"]`:                                 plain(oauth.Quirks{Extra: []string{"team.id"}}),
		`"account":{"url":"https://api.acme.test/me","path":"id"}`:  plain(oauth.Quirks{}),
		`"token_extra":["team"],"account":{"path":["id","team"]}`:   plain(oauth.Quirks{Extra: []string{"team", "id"}}),
		`"revocation":{"url":"https://login.acme.test/r","auth":"bearer","field":"ok","token":"access_token"}`: plain(oauth.Quirks{
			Revocation: &oauth.Revocation{Method: "POST", URL: "https://login.acme.test/r", Auth: "bearer", Field: "ok"},
		}),
		`"revocation":{"method":"DELETE","url":"https://login.acme.test/{client_id}/t","params":{"t":"{token}"},"json":true}`: plain(oauth.Quirks{
			Revocation: &oauth.Revocation{Method: "DELETE", URL: "https://login.acme.test/{client_id}/t", Params: map[string]string{"t": "{token}"}, JSON: true},
		}),
	} {
		def := parse(t, oauthDef(`"api.acme.test"`, strings.TrimSuffix(endpoints+","+members, ",")))
		if diff := cmp.Diff(want, def.OAuth.Server()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", members, diff)
		}
	}
}

func readGood(t *testing.T, name string) *provider.Definition {
	t.Helper()
	data, err := os.ReadFile("testdata/good/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, string(data))
}

// TestOAuthEverything compares a block that uses every field, and what of it
// is left at another installation.
func TestOAuthEverything(t *testing.T) {
	def := readGood(t, "oauth-everything")
	want := provider.OAuth{
		Issuer: "https://quirky.test", Resource: "https://quirky.test/api/mcp",
		AuthorizationURL: "https://quirky.test/authorize?team=1", TokenURL: "https://quirky.test/token",
		DeviceAuthorizationURL: "https://quirky.test/device", RegistrationEndpoint: "https://quirky.test/register",
		InstallationTokenURL: "https://api.quirky.test/app/{installation}/tokens",
		DeviceTokenRequest:   "oauth2_form", BaseURL: "https://quirky.test", ClientID: "public", ClientURL: "https://quirky.test/apps?new#form",
		Redirect: provider.RedirectLocalhost, Scopes: []string{"a", "b:c"}, ScopeParam: "user_scope", ScopeSeparator: ",", GrantedScopeSeparator: " ",
		AuthorizationParams: map[string]string{"access_type": "offline", "prompt": ""}, TokenParams: map[string]string{"audience": "api"},
		TokenRequest: "json", TokenEndpointAuthMethod: oauth.AuthPost, TokenErrorCodes: map[string]string{"bad_refresh_token": oauth.InvalidGrant},
		AccessTokenPath: "user.access_token", TokenExtra: []string{"team.id"},
		Revocation: &provider.Revocation{
			Method: "DELETE", URL: "https://api.quirky.test/apps/{client_id}/token", Auth: oauth.AuthBasic,
			Params: map[string]string{"access_token": "{token}"}, JSON: true, Field: "ok", Token: oauth.HintAccessToken,
		},
		Account: &provider.Account{
			URL: "https://api.quirky.test/users/@me", Method: "POST", Header: map[string]string{"Quirky-Version": "2026-01-01"},
			Body: `{"query":"{ me { name } }"}`, Paths: []string{"data.me.name", "data.0.id"},
		},
		SupportsClientCredentials: true,
	}
	if diff := cmp.Diff(&want, def.OAuth); diff != "" {
		t.Errorf("default installation (-want +got):\n%s", diff)
	}
	flows := []string{provider.FlowPKCE, provider.FlowDeviceCode, provider.FlowDCR, provider.FlowClientCredentials, provider.FlowGitHubApp, provider.FlowAPIKey}
	if diff := cmp.Diff(flows, def.Flows()); diff != "" {
		t.Errorf("flows (-want +got):\n%s", diff)
	}
	own, err := def.Resolve("https://git.corp.test/q/")
	if err != nil {
		t.Fatal(err)
	}
	account := *want.Account
	account.URL = "https://git.corp.test/q/api/me"
	want.Resource = "https://git.corp.test/q/api/mcp"
	want.Issuer, want.AuthorizationURL, want.TokenURL = "https://git.corp.test/q", "https://git.corp.test/q/authorize?team=1", "https://git.corp.test/q/token"
	want.DeviceAuthorizationURL, want.RegistrationEndpoint = "https://git.corp.test/q/device", "https://git.corp.test/q/register"
	want.InstallationTokenURL, want.ClientURL, want.Account = "https://git.corp.test/q/api/app/{installation}/tokens", "https://git.corp.test/q/apps?new#form", &account
	want.Revocation = &provider.Revocation{Method: "POST", URL: "https://git.corp.test/q/api/apps/{client_id}/{token}"}
	if diff := cmp.Diff(&want, own.OAuth); diff != "" {
		t.Errorf("own installation (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string][]string{"access_token": {"QUIRKY_OWN_TOKEN"}}, own.Env); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"https://git.corp.test/q/api"}, own.HostURL); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"api.quirky.test", "https://quirky.test/api"}, def.HostURL); diff != "" {
		t.Errorf("the default installation changed: %s", diff)
	}
	if same, err := def.Resolve("https://quirky.test/"); err != nil || !slices.Equal(same.HostURL, def.HostURL) {
		t.Errorf("the default installation by name: %v, %v", same, err)
	}
	for name, d := range map[string]*provider.Definition{"default": def, "own": own} {
		first, err := json.Marshal(d.JSON())
		if err != nil {
			t.Fatal(err)
		}
		if second, err := json.Marshal(parse(t, string(first)).JSON()); err != nil || string(first) != string(second) {
			t.Errorf("%s: %v\n%s\n%s", name, err, first, second)
		}
	}
}

func TestFlows(t *testing.T) {
	for members, want := range map[string]string{
		endpoints: "pkce api_key",
		endpoints + `,"device_authorization_url":"https://login.acme.test/d"`: "pkce device_code api_key",
		endpoints + `,"registration_endpoint":"https://login.acme.test/r"`:    "pkce dcr_pkce api_key",
		endpoints + `,"supports_dcr":true`:                                    "pkce api_key",
		endpoints + `,"supports_dcr":true,"issuer":"https://login.acme.test"`: "pkce dcr_pkce api_key",
		endpoints + `,"issuer":"https://login.acme.test"`:                     "pkce api_key",
		endpoints + `,"supports_client_credentials":true`:                     "pkce client_credentials api_key",
	} {
		if got := strings.Join(parse(t, oauthDef(`"api.acme.test"`, members)).Flows(), " "); got != want {
			t.Errorf("%s: %s, want %s", members, got, want)
		}
	}
	if got := strings.Join(readGood(t, "oauth-discovery").Flows(), " "); got != "dcr_pkce api_key" {
		t.Errorf("discovery: %s", got)
	}
	if got := strings.Join(parse(t, apiKeyDef(`"api.acme.test"`, "")).Flows(), " "); got != "api_key" {
		t.Errorf("api key: %s", got)
	}
}

// TestOAuthMistakes: every mistake is reported at its place.
func TestOAuthMistakes(t *testing.T) {
	long := strings.Repeat("x", 300)
	for _, tc := range []struct{ members, path, want string }{
		{`"issuer":"https://login.acme.test?x"`, "oauth.issuer", "query"},
		{`"issuer":"https://com"`, "oauth.issuer", "too broad"},
		{`"resource":"https://other.test/mcp"`, "oauth.resource", "own hosts"},
		{`"client_url":"http://acme.test"`, "oauth.client_url", "https"},
		{`"client_url":"https://acme.test/{x}"`, "oauth.client_url", "unknown"},
		{`"redirect":"https"`, "oauth.redirect", "not one of"},
		{`"scope_param":"redirect_uri"`, "oauth.scope_param", "not a definition's"},
		{`"scope_param":"s","authorization_params":{"s":"x"}`, "oauth.scope_param", "authorization_params"},
		{`"scope_separator":"+"`, "oauth.scope_separator", "not one of"},
		{`"authorization_params":{"code_challenge_method":"plain"}`, "oauth.authorization_params.code_challenge_method", "not a definition's"},
		{`"authorization_params":{"a":"b","a":"c"}`, "oauth.authorization_params.a", "twice"},
		{`"authorization_params":{"a/b~":"c"}`, "oauth.authorization_params.a~1b~0", "not a parameter name"},
		{`"authorization_params":{"a":null}`, "oauth.authorization_params.a", "must be a string"},
		{`"authorization_params":{"a":"\u202e"}`, "oauth.authorization_params.a", "U+202E"},
		{`"authorization_params":"a=b"`, "oauth.authorization_params", "must be an object"},
		{`"token_params":{"grant_type":"password"}`, "oauth.token_params.grant_type", "not a definition's"},
		{`"token_params":{"client_assertion":"` + strings.Repeat("x", 600) + `"}`, "oauth.token_params.client_assertion", "longer than"},
		{`"token_error_codes":{"x":"y"}`, "oauth.token_error_codes.x", "not one of"},
		{`"access_token_path":".a"`, "oauth.access_token_path", "not a path"},
		{`"access_token_path":"` + long + `"`, "oauth.access_token_path", "not a path"},
		{`"token_extra":["ok","client_secret"]`, "oauth.token_extra[1]", "secret"},
		{`"token_extra":["a b"]`, "oauth.token_extra[0]", "not a path"},
		{`"installation_token_url":"https://{installation}.acme.test/t"`, "oauth.installation_token_url", "path only"},
		{`"installation_token_url":"https://api.acme.test/t"`, "oauth.installation_token_url", "{installation}"},
		{`"revocation":{"url":"https://login.acme.test/r"}`, "oauth.revocation", "{token}"},
		{`"revocation":{"url":"https://{client_id}.acme.test/{token}"}`, "oauth.revocation.url", "path only"},
		{`"revocation":{"url":"https://login.acme.test/{token}/{secret}"}`, "oauth.revocation.url", "unknown"},
		{`"revocation":{"url":"http://login.acme.test/{token}"}`, "oauth.revocation.url", "https"},
		{`"revocation":{"url":"https://login.acme.test/{token}"},"revocation_url":"https://login.acme.test/r"`, "oauth.revocation", "two things"},
		{`"account":{"url":"https://other.test/me","path":"name"}`, "oauth.account.url", "own hosts"},
		{`"account":{"url":"http://api.acme.test/me","path":"name"}`, "oauth.account.url", "https"},
		{`"account":{"url":"https://api.acme.test/me","path":[]}`, "oauth.account.path", "empty"},
		{`"account":{"url":"https://api.acme.test/me","path":["a","b["]}`, "oauth.account.path[1]", "not a path"},
		{`"account":{"url":"https://api.acme.test/me","path":"a","body":"{}"}`, "oauth.account.body", "POST"},
		{`"account":{"url":"https://api.acme.test/me","path":"a","method":"POST","body":"` + strings.Repeat("x", 5000) + `"}`, "oauth.account.body", "longer"},
		{`"account":{"url":"https://api.acme.test/me","path":"a","headers":{"Host":"x"}}`, "oauth.account.headers.Host", ""},
		{`"account":{"url":"https://api.acme.test/me","path":"a","headers":{"authorization":"x"}}`, "oauth.account.headers.authorization", "credential goes"},
		{`"account":{"url":"https://api.acme.test/me","path":"a","headers":{"X":" x"}}`, "oauth.account.headers.X", "printable"},
		{`"account":{"path":"refresh_token"}`, "oauth.account.path", "secret"},
		{`"account":{"path":"name","method":"POST"}`, "oauth.account.url", "missing"},
	} {
		refuse(t, oauthDef(`"api.acme.test"`, endpoints+","+tc.members), tc.path, tc.want)
	}
	discovery := `{"name":"acme","display_name":"Acme","auth_type":"oauth2","flow":"dcr_pkce","host_url":"api.acme.test","oauth":{%}}`
	refuse(t, strings.Replace(discovery, "%", endpoints, 1), "oauth.registration_endpoint", "required")
	selfHosted := `{"name":"acme","display_name":"Acme","auth_type":"oauth2","flow":"pkce","host_url":"api.acme.test","oauth":{"base_url":"https://acme.test",` +
		templated + `,"account":{"url":"https://api.acme.test/me","path":"a"}},"self_hosted":{%}}`
	for members, want := range map[string][2]string{
		`"host_url":["{base_url}/api","com"]`:                                        {"self_hosted.host_url[1]", "too broad"},
		`"host_url":"{base_url}/api","account_url":"https://api.acme.test/me"`:       {"self_hosted.account_url", "own hosts"},
		`"host_url":"{base_url}/api","account_url":"{base_url}/me"`:                  {"self_hosted.account_url", "own hosts"},
		`"host_url":"{base_url}/api","revocation":{"url":"{base_url}/r"}`:            {"self_hosted.revocation", "{token}"},
		`"host_url":"{base_url}/api","installation_token_url":"{base_url}"`:          {"self_hosted.installation_token_url", "{installation}"},
		`"host_url":"{base_url}/api","export":{"env":{"access_token":"LD_PRELOAD"}}`: {"self_hosted.export.env.access_token", "steers"},
	} {
		refuse(t, strings.Replace(selfHosted, "%", members, 1), want[0], want[1])
	}
	refuse(t, strings.Replace(strings.Replace(selfHosted, templated, endpoints, 1), "%", `"host_url":"{base_url}/api"`, 1), "oauth.token_url", "must begin")
	resource := strings.Replace(selfHosted, `"base_url":`, `"resource":"https://api.acme.test/mcp","base_url":`, 1)
	refuse(t, strings.Replace(resource, "%", `"host_url":"{base_url}/api"`, 1), "oauth.resource", "with self_hosted")
	refuse(t, strings.Replace(strings.Replace(selfHosted, `"base_url":"https://acme.test",`, "", 1), "%", `"host_url":"{base_url}"`, 1), "self_hosted", "base_url")
}

// TestOAuthEndpoints: the vendor's own revocation, and every other place that
// takes secrets, is an endpoint; an account page, an issuer or a resource is not.
func TestOAuthEndpoints(t *testing.T) {
	def := parse(t, oauthDef(`"api.acme.test"`, endpoints+`,"issuer":"https://issuer.test","resource":"https://api.acme.test/mcp",
		"revocation":{"url":"https://api.acme.test/auth.revoke","auth":"bearer"},"account":{"url":"https://api.acme.test/me","path":"name"}`))
	for path, want := range map[string]bool{"/auth.revoke": true, "/AUTH.revoke/?x": true, "/me": false, "/mcp": false, "/": false} {
		if got := def.AuthEndpoint("api.acme.test", 443, path); got != want {
			t.Errorf("%s: %t", path, got)
		}
	}
	if diff := cmp.Diff([]string{"issuer.test"}, def.ForeignHosts()); diff != "" {
		t.Error(diff)
	}
}

// TestOAuthPlainHTTP: no URL that a login or refresh talks to may be without
// TLS, not even on this machine.
func TestOAuthPlainHTTP(t *testing.T) {
	t.Run("O012_http_endpoints", func(t *testing.T) {
		def := func(members string) string {
			return `{"name":"acme","display_name":"Acme","auth_type":"oauth2","flow":"dcr_pkce","host_url":"api.acme.test","oauth":{"resource":"https://api.acme.test",` + members + `}}`
		}
		parse(t, strings.Replace(def(""), `test",}`, `test"}`, 1))
		for _, base := range []string{"http://api.acme.test/", "http://127.0.0.1:8080/", "http://localhost/", "HTTP://api.acme.test/", "//api.acme.test/"} {
			for _, field := range []string{"issuer", "authorization_url", "token_url", "revocation_url", "device_authorization_url", "registration_endpoint"} {
				refuse(t, def(`"`+field+`":"`+base+`"`), "oauth."+field, "https")
			}
			refuse(t, def(`"installation_token_url":"`+base+`{installation}"`), "oauth.installation_token_url", "https")
			refuse(t, def(`"revocation":{"url":"`+base+`{token}"}`), "oauth.revocation.url", "https")
			refuse(t, def(`"account":{"url":"`+base+`","path":"a"}`), "oauth.account.url", "https")
			refuse(t, strings.Replace(def(`"pkce":true`), "https://api.acme.test", base, 1), "oauth.resource", "https")
			refuse(t, def(`"base_url":"`+base+`"`), "oauth.base_url", "https")
		}
	})
}

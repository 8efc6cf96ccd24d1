package provider_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"authsome/internal/oauth"
	"authsome/internal/provider"
)

type params = map[string]string

// googleServer is Google's, as the definitions of single APIs use it: the
// device flow knows too few scopes for them.
var googleServer = oauth.Server{
	Issuer:                "https://accounts.google.com",
	AuthorizationEndpoint: "https://accounts.google.com/o/oauth2/v2/auth", TokenEndpoint: "https://oauth2.googleapis.com/token",
	TokenEndpointAuthMethodsSupported: []string{oauth.AuthPost},
	Quirks: oauth.Quirks{
		AuthorizationParams: params{"access_type": "offline", "prompt": "consent"},
		Revocation:          &oauth.Revocation{Method: "POST", URL: "https://oauth2.googleapis.com/revoke", Auth: oauth.AuthNone, Params: params{"token": "{token}"}},
	},
}

// microsoftServer is Microsoft's, for all tenants.
var microsoftServer = oauth.Server{
	AuthorizationEndpoint:             "https://login.microsoftonline.com/common/oauth2/v2.0/authorize",
	TokenEndpoint:                     "https://login.microsoftonline.com/common/oauth2/v2.0/token",
	DeviceAuthorizationEndpoint:       "https://login.microsoftonline.com/common/oauth2/v2.0/devicecode",
	TokenEndpointAuthMethodsSupported: []string{oauth.AuthPost},
}

// atlassianServer is Atlassian's, for its Cloud products.
var atlassianServer = oauth.Server{
	AuthorizationEndpoint: "https://auth.atlassian.com/authorize", TokenEndpoint: "https://auth.atlassian.com/oauth/token",
	TokenEndpointAuthMethodsSupported: []string{oauth.AuthPost},
	Quirks:                            oauth.Quirks{AuthorizationParams: params{"audience": "api.atlassian.com", "prompt": "consent"}},
}

// bundledServers is what each bundled OAuth service comes to: its endpoints
// and where it leaves the RFCs.
var bundledServers = map[string]oauth.Server{
	"asana-mcp":     {},
	"atlassian":     atlassianServer,
	"atlassian-mcp": {},
	"attio-mcp":     {},
	"box": {
		AuthorizationEndpoint: "https://account.box.com/api/oauth2/authorize", TokenEndpoint: "https://api.box.com/oauth2/token",
		RevocationEndpoint: "https://api.box.com/oauth2/revoke", TokenEndpointAuthMethodsSupported: []string{oauth.AuthPost},
	},
	"buildkite-mcp":  {},
	"canva-mcp":      {},
	"cloudflare-mcp": {},
	"confluence":     atlassianServer,
	"discord": {
		AuthorizationEndpoint: "https://discord.com/oauth2/authorize", TokenEndpoint: "https://discord.com/api/oauth2/token",
		RevocationEndpoint: "https://discord.com/api/oauth2/token/revoke", TokenEndpointAuthMethodsSupported: []string{oauth.AuthBasic},
	},
	"dropbox": {
		AuthorizationEndpoint: "https://www.dropbox.com/oauth2/authorize", TokenEndpoint: "https://api.dropboxapi.com/oauth2/token",
		TokenEndpointAuthMethodsSupported: []string{oauth.AuthPost},
		Quirks: oauth.Quirks{
			AuthorizationParams: params{"token_access_type": "offline"},
			Revocation:          &oauth.Revocation{Method: "POST", URL: "https://api.dropboxapi.com/2/auth/token/revoke", Auth: "bearer"},
		},
	},
	"azure": {
		AuthorizationEndpoint: microsoftServer.AuthorizationEndpoint, TokenEndpoint: microsoftServer.TokenEndpoint,
		DeviceAuthorizationEndpoint: microsoftServer.DeviceAuthorizationEndpoint, TokenEndpointAuthMethodsSupported: []string{oauth.AuthPost},
	},
	"bitbucket": {
		AuthorizationEndpoint: "https://bitbucket.org/site/oauth2/authorize", TokenEndpoint: "https://bitbucket.org/site/oauth2/access_token",
		TokenEndpointAuthMethodsSupported: []string{oauth.AuthBasic},
	},
	"paypal": {
		TokenEndpoint: "https://api-m.paypal.com/v1/oauth2/token", TokenEndpointAuthMethodsSupported: []string{oauth.AuthBasic},
	},
	"github": {
		AuthorizationEndpoint: "https://github.com/login/oauth/authorize", TokenEndpoint: "https://github.com/login/oauth/access_token",
		DeviceAuthorizationEndpoint: "https://github.com/login/device/code", TokenEndpointAuthMethodsSupported: []string{oauth.AuthPost},
		Quirks: oauth.Quirks{
			GrantedScopeSeparator: ",",
			ErrorCodes: params{
				"bad_refresh_token": oauth.InvalidGrant, "bad_verification_code": oauth.InvalidGrant,
				"incorrect_client_credentials": oauth.InvalidClient, "token_expired": oauth.ExpiredToken,
			},
			Revocation: &oauth.Revocation{
				Method: "DELETE", URL: "https://api.github.com/applications/{client_id}/token", Auth: oauth.AuthBasic,
				Params: params{"access_token": "{token}"}, JSON: true,
			},
		},
	},
	"gitlab": {
		AuthorizationEndpoint: "https://gitlab.com/oauth/authorize", TokenEndpoint: "https://gitlab.com/oauth/token",
		RevocationEndpoint: "https://gitlab.com/oauth/revoke", DeviceAuthorizationEndpoint: "https://gitlab.com/oauth/authorize_device",
		TokenEndpointAuthMethodsSupported: []string{oauth.AuthPost},
	},
	"google": {
		Issuer:                "https://accounts.google.com",
		AuthorizationEndpoint: "https://accounts.google.com/o/oauth2/v2/auth", TokenEndpoint: "https://oauth2.googleapis.com/token",
		DeviceAuthorizationEndpoint: "https://oauth2.googleapis.com/device/code", TokenEndpointAuthMethodsSupported: []string{oauth.AuthPost},
		Quirks: oauth.Quirks{
			AuthorizationParams: params{"access_type": "offline", "prompt": "consent"},
			Revocation:          &oauth.Revocation{Method: "POST", URL: "https://oauth2.googleapis.com/revoke", Auth: oauth.AuthNone, Params: params{"token": "{token}"}},
		},
	},
	"google-admin":          googleServer,
	"google-analytics":      googleServer,
	"google-calendar":       googleServer,
	"google-chat":           googleServer,
	"google-classroom":      googleServer,
	"google-docs":           googleServer,
	"google-drive":          googleServer,
	"google-forms":          googleServer,
	"google-gmail":          googleServer,
	"google-meet":           googleServer,
	"google-photos":         googleServer,
	"google-search-console": googleServer,
	"google-sheets":         googleServer,
	"google-slides":         googleServer,
	"google-tasks":          googleServer,
	"google-vertex-ai":      googleServer,
	"google-youtube":        googleServer,
	"hubspot": {
		AuthorizationEndpoint: "https://app.hubspot.com/oauth/authorize", TokenEndpoint: "https://api.hubapi.com/oauth/2026-03/token",
		TokenEndpointAuthMethodsSupported: []string{oauth.AuthPost},
		Quirks: oauth.Quirks{Revocation: &oauth.Revocation{
			Method: "POST", URL: "https://api.hubapi.com/oauth/2026-03/token/revoke", Params: params{"token": "{token}", "token_type_hint": "refresh_token"},
		}},
	},
	"intercom-mcp": {},
	"jira":         atlassianServer,
	"klaviyo-oauth": {
		AuthorizationEndpoint: "https://www.klaviyo.com/oauth/authorize", TokenEndpoint: "https://a.klaviyo.com/oauth/token",
		RevocationEndpoint: "https://a.klaviyo.com/oauth/revoke", TokenEndpointAuthMethodsSupported: []string{oauth.AuthBasic},
	},
	"linear": {
		AuthorizationEndpoint: "https://linear.app/oauth/authorize", TokenEndpoint: "https://api.linear.app/oauth/token",
		TokenEndpointAuthMethodsSupported: []string{oauth.AuthPost},
		Quirks: oauth.Quirks{
			AuthorizationParams: params{"prompt": "consent"}, ScopeSeparator: ",",
			Revocation: &oauth.Revocation{Method: "POST", URL: "https://api.linear.app/oauth/revoke", Auth: oauth.AuthNone, Params: params{"token": "{token}"}},
		},
	},
	"linear-mcp":         {},
	"microsoft":          microsoftServer,
	"microsoft-calendar": microsoftServer,
	"microsoft-outlook":  microsoftServer,
	"microsoft-word":     microsoftServer,
	"monday-mcp":         {},
	"neon-mcp":           {},
	"notion": {
		AuthorizationEndpoint: "https://api.notion.com/v1/oauth/authorize", TokenEndpoint: "https://api.notion.com/v1/oauth/token",
		TokenEndpointAuthMethodsSupported: []string{oauth.AuthBasic},
		Quirks: oauth.Quirks{
			AuthorizationParams: params{"owner": "user"}, TokenRequestJSON: true,
			Extra: []string{"workspace_id", "bot_id", "owner.user.person.email", "workspace_name"},
			Revocation: &oauth.Revocation{
				Method: "POST", URL: "https://api.notion.com/v1/oauth/revoke", Auth: oauth.AuthBasic, Params: params{"token": "{token}"}, JSON: true,
			},
		},
	},
	"notion-mcp": {},
	"notion_dcr": {},
	"okta": {
		Issuer:                "https://acme.okta.com",
		AuthorizationEndpoint: "https://acme.okta.com/oauth2/v1/authorize", TokenEndpoint: "https://acme.okta.com/oauth2/v1/token",
		RevocationEndpoint: "https://acme.okta.com/oauth2/v1/revoke", DeviceAuthorizationEndpoint: "https://acme.okta.com/oauth2/v1/device/authorize",
	},
	"paypal-mcp": {},
	"postiz": {
		TokenEndpoint: "https://cli-auth.postiz.com/device/token", DeviceAuthorizationEndpoint: "https://cli-auth.postiz.com/device/code",
		Quirks: oauth.Quirks{DeviceTokenJSON: true, Extra: []string{"api_url", "organization_id"}},
	},
	"prisma-mcp": {},
	"reddit": {
		AuthorizationEndpoint: "https://www.reddit.com/api/v1/authorize", TokenEndpoint: "https://www.reddit.com/api/v1/access_token",
		RevocationEndpoint: "https://www.reddit.com/api/v1/revoke_token", TokenEndpointAuthMethodsSupported: []string{oauth.AuthBasic},
		Quirks: oauth.Quirks{AuthorizationParams: params{"duration": "permanent"}},
	},
	"salesforce": {
		AuthorizationEndpoint: "https://acme.my.salesforce.com/services/oauth2/authorize", TokenEndpoint: "https://acme.my.salesforce.com/services/oauth2/token",
		TokenEndpointAuthMethodsSupported: []string{oauth.AuthPost},
		Quirks: oauth.Quirks{
			Extra: []string{"instance_url"},
			Revocation: &oauth.Revocation{
				Method: "POST", URL: "https://acme.my.salesforce.com/services/oauth2/revoke", Auth: oauth.AuthNone, Params: params{"token": "{token}"},
			},
		},
	},
	"slack": {
		AuthorizationEndpoint: "https://slack.com/oauth/v2/authorize", TokenEndpoint: "https://slack.com/api/oauth.v2.access",
		TokenEndpointAuthMethodsSupported: []string{oauth.AuthBasic},
		Quirks: oauth.Quirks{
			ScopeParam: "user_scope", ScopeSeparator: ",", AccessTokenPath: "authed_user.access_token", Extra: []string{"team.id", "team.name"},
			ErrorCodes: params{
				"invalid_code": oauth.InvalidGrant, "invalid_refresh_token": oauth.InvalidGrant, "token_expired": oauth.InvalidGrant,
				"token_revoked": oauth.InvalidGrant, "bad_client_secret": oauth.InvalidClient, "invalid_client_id": oauth.InvalidClient,
			},
			Revocation: &oauth.Revocation{Method: "POST", URL: "https://slack.com/api/auth.revoke", Auth: "bearer", Field: "revoked"},
		},
	},
	"sentry-mcp": {},
	"slack-mcp": {
		AuthorizationEndpoint: "https://slack.com/oauth/v2_user/authorize", TokenEndpoint: "https://slack.com/api/oauth.v2.user.access",
		TokenEndpointAuthMethodsSupported: []string{oauth.AuthPost},
		Quirks: oauth.Quirks{
			ScopeSeparator: ",", Extra: []string{"team.id", "team.name"},
			ErrorCodes: params{
				"invalid_code": oauth.InvalidGrant, "invalid_refresh_token": oauth.InvalidGrant, "token_expired": oauth.InvalidGrant,
				"token_revoked": oauth.InvalidGrant, "bad_client_secret": oauth.InvalidClient, "invalid_client_id": oauth.InvalidClient,
			},
		},
	},
	"spotify": {
		AuthorizationEndpoint: "https://accounts.spotify.com/authorize", TokenEndpoint: "https://accounts.spotify.com/api/token",
		TokenEndpointAuthMethodsSupported: []string{oauth.AuthBasic},
	},
	"stripe-connect": {
		AuthorizationEndpoint: "https://connect.stripe.com/oauth/authorize", TokenEndpoint: "https://connect.stripe.com/oauth/token",
		TokenEndpointAuthMethodsSupported: []string{oauth.AuthPost}, Quirks: oauth.Quirks{Extra: []string{"stripe_user_id"}},
	},
	"stripe-mcp":   {},
	"supabase-mcp": {},
	"webflow-mcp":  {},
	"x": {
		AuthorizationEndpoint: "https://x.com/i/oauth2/authorize", TokenEndpoint: "https://api.x.com/2/oauth2/token",
		RevocationEndpoint: "https://api.x.com/2/oauth2/revoke", TokenEndpointAuthMethodsSupported: []string{oauth.AuthBasic},
	},
	"zoom": {
		AuthorizationEndpoint: "https://zoom.us/oauth/authorize", TokenEndpoint: "https://zoom.us/oauth/token",
		RevocationEndpoint: "https://zoom.us/oauth/revoke", TokenEndpointAuthMethodsSupported: []string{oauth.AuthBasic},
		Quirks: oauth.Quirks{Extra: []string{"api_url"}},
	},
}

// nameless are services whose own endpoints, those below their rules, do not
// say who is logged in.
var nameless = map[string]bool{
	"azure": true, "confluence": true, "jira": true, "paypal": true, "microsoft-outlook": true,
	"google-chat": true, "google-docs": true, "google-forms": true, "google-meet": true, "google-photos": true,
	"google-sheets": true, "google-slides": true, "google-tasks": true, "google-vertex-ai": true,
}

// ownInstallation are the definitions that are of use with a base URL only.
var ownInstallation = params{"okta": "https://acme.okta.com", "salesforce": "https://acme.my.salesforce.com"}

func TestBuiltinServers(t *testing.T) {
	for name, def := range builtins(t) {
		want, listed := bundledServers[name]
		if listed != (def.OAuth != nil) {
			t.Errorf("%s: OAuth %t, listed %t", name, def.OAuth != nil, listed)
		}
		if !listed {
			continue
		}
		if def.NeedsBaseURL() != (ownInstallation[name] != "") {
			t.Errorf("%s: needs a base URL: %t", name, def.NeedsBaseURL())
		}
		resolved, err := def.Resolve(ownInstallation[name])
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(want, resolved.OAuth.Server()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		checkOAuthBuiltin(t, resolved)
	}
}

// checkOAuthBuiltin asks more of a bundled OAuth service than of a user's.
func checkOAuthBuiltin(t *testing.T, def *provider.Definition) {
	o, discovered := def.OAuth, def.Flow == provider.FlowDCR
	if o.ClientURL == "" && !discovered && !o.Server().Quirks.DeviceTokenJSON {
		t.Errorf("%s: no page to register an app", def.Name)
	}
	if len(def.Env["access_token"]) == 0 {
		t.Errorf("%s: the access token has no name", def.Name)
	}
	if (o.Account == nil) != (discovered || nameless[def.Name]) {
		t.Errorf("%s: says who is logged in: %t", def.Name, o.Account != nil)
	}
	if len(def.Rules) == 0 || !discovered && o.TokenURL == "" {
		t.Errorf("%s: no rule or no token endpoint", def.Name)
	}
}

// TestSelfHosted: where requests and tokens go at an installation of one's own.
func TestSelfHosted(t *testing.T) {
	defs := builtins(t)
	github := func(host string) string {
		var rules strings.Builder
		for _, path := range []string{"info/refs", "git-upload-pack", "git-receive-pack", "info/lfs"} {
			rules.WriteString(" https://" + host + "/*/*/" + path)
		}
		return rules.String()
	}
	gitlab := func(base string) string {
		var rules strings.Builder
		for _, path := range []string{"info/refs", "git-upload-pack", "git-receive-pack", "info/lfs", "gitlab-lfs"} {
			rules.WriteString(" https://" + base + "/**/" + path)
		}
		return rules.String()
	}
	for _, tc := range []struct{ name, base, hosts, account, token string }{
		{"github", "", "api.github.com uploads.github.com" + github("github.com"), "https://api.github.com/user", "https://github.com/login/oauth/access_token"},
		{"github", "https://GitHub.com:443/", "api.github.com uploads.github.com" + github("github.com"), "https://api.github.com/user", "https://GitHub.com:443/login/oauth/access_token"},
		{"github", "https://ghe.corp.test", "https://ghe.corp.test/api" + github("ghe.corp.test"), "https://ghe.corp.test/api/v3/user", "https://ghe.corp.test/login/oauth/access_token"},
		{"gitlab", "", "https://gitlab.com/api" + gitlab("gitlab.com"), "https://gitlab.com/api/v4/user", "https://gitlab.com/oauth/token"},
		{"gitlab", "https://corp.test/git", "https://corp.test/git/api" + gitlab("corp.test/git"), "https://corp.test/git/api/v4/user", "https://corp.test/git/oauth/token"},
		{"okta", "https://acme.okta.com", "https://acme.okta.com/api https://acme.okta.com/oauth2/v1/userinfo", "https://acme.okta.com/oauth2/v1/userinfo", "https://acme.okta.com/oauth2/v1/token"},
		{"microsoft", "https://login.microsoftonline.com/acme.onmicrosoft.com", "graph.microsoft.com", "https://graph.microsoft.com/v1.0/me", "https://login.microsoftonline.com/acme.onmicrosoft.com/oauth2/v2.0/token"},
		{"salesforce", "https://acme--dev.sandbox.my.salesforce.com", "https://acme--dev.sandbox.my.salesforce.com/services",
			"https://acme--dev.sandbox.my.salesforce.com/services/oauth2/userinfo", "https://acme--dev.sandbox.my.salesforce.com/services/oauth2/token"},
	} {
		def, err := defs[tc.name].Resolve(tc.base)
		if err != nil {
			t.Errorf("%s %s: %v", tc.name, tc.base, err)
			continue
		}
		hosts := ""
		for _, rule := range def.Rules {
			hosts += " " + rule.String()
		}
		got := []string{hosts, def.OAuth.Account.URL, def.OAuth.TokenURL}
		if diff := cmp.Diff([]string{" " + tc.hosts, tc.account, tc.token}, got); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", tc.name, tc.base, diff)
		}
	}
	own, err := defs["github"].Resolve("https://ghe.corp.test")
	if err != nil {
		t.Fatal(err)
	}
	if got := own.OAuth.Server().Quirks.Revocation.URL; got != "https://ghe.corp.test/api/v3/applications/{client_id}/token" {
		t.Errorf("revocation at %s", got)
	}
	if got := own.OAuth.InstallationTokenURL; got != "https://ghe.corp.test/api/v3/app/installations/{installation}/access_tokens" {
		t.Errorf("installation tokens at %s", got)
	}
	if diff := cmp.Diff([]string{"GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN"}, own.Env["access_token"]); diff != "" {
		t.Error(diff)
	}
	for _, host := range []string{"api.github.com", "uploads.github.com", "github.com"} {
		if provider.NewTable([]provider.Entry{{ID: "own", Def: own}}).Claims(host, 443) {
			t.Errorf("the token of ghe.corp.test would go to %s", host)
		}
	}
}

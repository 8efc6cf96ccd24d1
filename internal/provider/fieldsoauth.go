package provider

import (
	"net/http"

	"github.com/tailscale/hujson"
)

func (d *decoder) oauth(v *hujson.Value, at string) {
	o := &OAuth{DeviceTokenRequest: "oauth2_form", TokenRequest: "form", Redirect: RedirectLoopback, PKCE: true, Scopes: []string{}}
	d.document.OAuth = o
	d.object(v, at, []field{
		{"issuer", false, d.text(&o.Issuer)},
		{"resource", false, d.text(&o.Resource)},
		{"authorization_url", false, d.text(&o.AuthorizationURL)},
		{"token_url", false, d.text(&o.TokenURL)},
		{"revocation_url", false, d.text(&o.RevocationURL)},
		{"device_authorization_url", false, d.text(&o.DeviceAuthorizationURL)},
		{"registration_endpoint", false, d.text(&o.RegistrationEndpoint)},
		{"installation_token_url", false, d.text(&o.InstallationTokenURL)},
		{"device_token_request", false, d.text(&o.DeviceTokenRequest)},
		{"base_url", false, d.text(&o.BaseURL)},
		{"client_id", false, d.text(&o.ClientID)},
		{"client_url", false, d.text(&o.ClientURL)},
		{"redirect", false, d.text(&o.Redirect)},
		{"scopes", false, d.texts(&o.Scopes, maxScopes, false)},
		{"scope_param", false, d.text(&o.ScopeParam)},
		{"scope_separator", false, d.text(&o.ScopeSeparator)},
		{"granted_scope_separator", false, d.text(&o.GrantedScopeSeparator)},
		{"authorization_params", false, d.textMap(&o.AuthorizationParams, maxParams)},
		{"token_params", false, d.textMap(&o.TokenParams, maxParams)},
		{"token_request", false, d.text(&o.TokenRequest)},
		{"token_endpoint_auth_method", false, d.text(&o.TokenEndpointAuthMethod)},
		{"token_error_codes", false, d.textMap(&o.TokenErrorCodes, maxParams)},
		{"access_token_path", false, d.text(&o.AccessTokenPath)},
		{"token_extra", false, d.texts(&o.TokenExtra, maxPaths, false)},
		{"revocation", false, d.revocation(&o.Revocation)},
		{"account", false, d.account},
		{"pkce", false, d.flag(&o.PKCE)},
		{"supports_device_flow", false, d.flag(&o.SupportsDeviceFlow)},
		{"supports_dcr", false, d.flag(&o.SupportsDCR)},
		{"service_account_scopes", false, d.texts(&o.ServiceAccountScopes, maxScopes, false)},
		{"supports_client_credentials", false, d.flag(&o.SupportsClientCredentials)},
	})
}

func (d *decoder) revocation(into **Revocation) func(*hujson.Value, string) {
	return func(v *hujson.Value, at string) {
		r := &Revocation{Method: http.MethodPost}
		*into = r
		d.object(v, at, []field{
			{"method", false, d.text(&r.Method)},
			{"url", true, d.text(&r.URL)},
			{"auth", false, d.text(&r.Auth)},
			{"params", false, d.textMap(&r.Params, maxParams)},
			{"json", false, d.flag(&r.JSON)},
			{"field", false, d.text(&r.Field)},
			{"token", false, d.text(&r.Token)},
		})
	}
}

func (d *decoder) account(v *hujson.Value, at string) {
	a := &Account{Method: http.MethodGet}
	d.document.OAuth.Account = a
	d.object(v, at, []field{
		{"url", false, d.text(&a.URL)},
		{"method", false, d.text(&a.Method)},
		{"headers", false, d.textMap(&a.Header, maxParams)},
		{"body", false, d.text(&a.Body)},
		{"path", true, d.texts(&a.Paths, maxPaths, true)},
	})
}

func (d *decoder) selfHosted(v *hujson.Value, at string) {
	s := &selfHosted{}
	d.document.SelfHosted = s
	d.object(v, at, []field{
		{"host_url", true, d.texts(&s.HostURL, maxHosts, true)},
		{"account_url", false, d.text(&s.AccountURL)},
		{"revocation", false, d.revocation(&s.Revocation)},
		{"installation_token_url", false, d.text(&s.InstallationTokenURL)},
		{"export", false, d.export(&s.Export)},
	})
}

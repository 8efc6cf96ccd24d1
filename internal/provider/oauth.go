package provider

import (
	"net/url"
	"slices"

	"authsome/internal/oauth"
)

// The values of OAuth.Redirect: where the browser comes back to (RFC 8252
// section 7.3). What an app was registered with decides; a client that
// registers itself (FlowDCR) needs none of them.
const (
	RedirectLoopback  = "loopback"  // http://127.0.0.1, any free port, path /callback
	RedirectFixed     = "fixed"     // http://127.0.0.1:7999/callback
	RedirectLocalhost = "localhost" // http://localhost:7999/callback
)

// OAuth is an authorization server as seen by a client. URLs may begin with
// {base_url} in a file; in a Definition they are filled.
type OAuth struct {
	Issuer                 string `json:"issuer,omitempty"`   // RFC 8414; compared with an iss (RFC 9207)
	Resource               string `json:"resource,omitempty"` // RFC 8707, and where discovery starts (RFC 9728)
	AuthorizationURL       string `json:"authorization_url,omitempty"`
	TokenURL               string `json:"token_url,omitempty"`
	RevocationURL          string `json:"revocation_url,omitempty"` // RFC 7009
	DeviceAuthorizationURL string `json:"device_authorization_url,omitempty"`
	RegistrationEndpoint   string `json:"registration_endpoint,omitempty"`
	InstallationTokenURL   string `json:"installation_token_url,omitempty"` // holds {installation}: tokens of an app's installations, for a signed assertion
	DeviceTokenRequest     string `json:"device_token_request"`             // oauth2_form or json
	BaseURL                string `json:"base_url,omitempty"`               // default for {base_url}

	ClientID  string `json:"client_id,omitempty"`  // public client
	ClientURL string `json:"client_url,omitempty"` // page where a user registers an app of their own
	Redirect  string `json:"redirect"`             // a Redirect constant

	Scopes                []string `json:"scopes"`
	ScopeParam            string   `json:"scope_param,omitempty"`
	ScopeSeparator        string   `json:"scope_separator,omitempty"`
	GrantedScopeSeparator string   `json:"granted_scope_separator,omitempty"`

	AuthorizationParams     map[string]string `json:"authorization_params,omitempty"`
	TokenParams             map[string]string `json:"token_params,omitempty"`
	TokenRequest            string            `json:"token_request"` // form or json
	TokenEndpointAuthMethod string            `json:"token_endpoint_auth_method,omitempty"`
	TokenErrorCodes         map[string]string `json:"token_error_codes,omitempty"` // the vendor's, and the RFC's
	AccessTokenPath         string            `json:"access_token_path,omitempty"`
	TokenExtra              []string          `json:"token_extra,omitempty"` // paths of what to keep from a token answer

	Revocation *Revocation `json:"revocation,omitempty"` // nil: RFC 7009 at RevocationURL, if there is one
	Account    *Account    `json:"account,omitempty"`    // nil: nobody says who is logged in

	PKCE                      bool `json:"pkce"` // false: the vendor knows none
	SupportsDeviceFlow        bool `json:"supports_device_flow"`
	SupportsDCR               bool `json:"supports_dcr"`
	SupportsClientCredentials bool `json:"supports_client_credentials,omitempty"`

	ServiceAccountScopes []string `json:"service_account_scopes,omitempty"` // asked for by FlowServiceAccount; none: there is no such flow
}

// Revocation is a vendor's own way to revoke a token: oauth.Revocation, and
// which token it takes.
type Revocation struct {
	Method string            `json:"method"` // POST or DELETE
	URL    string            `json:"url"`    // may hold {client_id} and {token} in its path
	Auth   string            `json:"auth,omitempty"`
	Params map[string]string `json:"params,omitempty"`
	JSON   bool              `json:"json,omitempty"`
	Field  string            `json:"field,omitempty"`
	Token  string            `json:"token,omitempty"` // access_token or refresh_token: the only one it takes; "" for either
}

// Account is a request whose answer, a JSON object, says who is logged in. The
// credential is put on it like on any other request of the provider.
type Account struct {
	URL    string            `json:"url,omitempty"` // claimed by the definition's own rules; "" means the token answer itself, see Token.Extra
	Method string            `json:"method"`        // GET or POST
	Header map[string]string `json:"headers,omitempty"`
	Body   string            `json:"body,omitempty"` // application/json; "" sends none
	Paths  []string          `json:"path"`           // data.viewer.email, data.0.name: the first that holds text
}

// Server returns the authorization server for package oauth. Where discovery
// comes first its endpoints are empty, and its quirks go to what was found.
func (o *OAuth) Server() oauth.Server {
	s := oauth.Server{
		Issuer:                      o.Issuer,
		AuthorizationEndpoint:       o.AuthorizationURL,
		TokenEndpoint:               o.TokenURL,
		DeviceAuthorizationEndpoint: o.DeviceAuthorizationURL,
		RegistrationEndpoint:        o.RegistrationEndpoint,
		RevocationEndpoint:          o.RevocationURL,
		Quirks:                      o.quirks(),
	}
	if o.TokenEndpointAuthMethod != "" {
		s.TokenEndpointAuthMethodsSupported = []string{o.TokenEndpointAuthMethod}
	}
	return s
}

func (o *OAuth) quirks() oauth.Quirks {
	q := oauth.Quirks{
		AuthorizationParams:   o.AuthorizationParams,
		TokenParams:           o.TokenParams,
		TokenRequestJSON:      o.TokenRequest == "json",
		DeviceTokenJSON:       o.DeviceTokenRequest == "json",
		ScopeParam:            o.ScopeParam,
		ScopeSeparator:        o.ScopeSeparator,
		GrantedScopeSeparator: o.GrantedScopeSeparator,
		AccessTokenPath:       o.AccessTokenPath,
		ErrorCodes:            o.TokenErrorCodes,
		Extra:                 o.extra(),
	}
	if r := o.Revocation; r != nil {
		q.Revocation = &oauth.Revocation{Method: r.Method, URL: r.URL, Auth: r.Auth, Params: r.Params, JSON: r.JSON, Field: r.Field}
	}
	return q
}

// extra lists what to keep from a token answer: also the account, when only
// that answer names it.
func (o *OAuth) extra() []string {
	paths := slices.Clone(o.TokenExtra)
	if o.Account == nil || o.Account.URL != "" {
		return paths
	}
	for _, path := range o.Account.Paths {
		if !slices.Contains(paths, path) {
			paths = append(paths, path)
		}
	}
	return paths
}

// Flows returns the flows that the definition has data for, its default one
// first. FlowAPIKey, a key or token at hand, is always one of them.
func (d *Definition) Flows() []string {
	all := []string{d.Flow}
	for _, flow := range append(d.OAuth.flows(), FlowAPIKey) {
		if !slices.Contains(all, flow) {
			all = append(all, flow)
		}
	}
	return all
}

func (o *OAuth) flows() []string {
	if o == nil {
		return nil
	}
	var flows []string
	add := func(flow string, has bool) {
		if has {
			flows = append(flows, flow)
		}
	}
	token := o.TokenURL != ""
	add(FlowPKCE, token && o.AuthorizationURL != "")
	add(FlowDeviceCode, token && o.DeviceAuthorizationURL != "")
	add(FlowDCR, o.RegistrationEndpoint != "" || o.SupportsDCR && o.discovers())
	add(FlowClientCredentials, token && o.SupportsClientCredentials)
	add(FlowGitHubApp, o.InstallationTokenURL != "")
	add(FlowServiceAccount, token && len(o.ServiceAccountScopes) > 0)
	return flows
}

// discovers reports whether there is a place where discovery can start.
func (o *OAuth) discovers() bool { return o.Resource != "" || o.Issuer != "" }

// urlField is a URL and its name in a file.
type urlField struct {
	name  string
	value *string
}

// endpoints lists the URLs that codes, secrets and tokens go to.
func (o *OAuth) endpoints() []urlField {
	all := []urlField{
		{"authorization_url", &o.AuthorizationURL},
		{"token_url", &o.TokenURL},
		{"revocation_url", &o.RevocationURL},
		{"device_authorization_url", &o.DeviceAuthorizationURL},
		{"registration_endpoint", &o.RegistrationEndpoint},
		{"installation_token_url", &o.InstallationTokenURL},
	}
	if o.Revocation != nil {
		all = append(all, urlField{"revocation/url", &o.Revocation.URL})
	}
	return all
}

// urls lists every URL that may begin with a template.
func (o *OAuth) urls() []urlField {
	all := append(o.endpoints(), urlField{"issuer", &o.Issuer}, urlField{"resource", &o.Resource}, urlField{"client_url", &o.ClientURL})
	if o.Account != nil {
		all = append(all, urlField{"account/url", &o.Account.URL})
	}
	return all
}

// authEndpoints lists the endpoints of o.
func (o *OAuth) authEndpoints() []authEndpoint {
	if o == nil {
		return nil
	}
	var endpoints []authEndpoint
	for _, field := range o.endpoints() {
		endpoints = append(endpoints, newAuthEndpoint(*field.value)...)
	}
	return endpoints
}

// issuer is the issuer in the form of an endpoint: discovery there leads to
// endpoints on its host.
func (o *OAuth) issuer() []authEndpoint {
	if o == nil {
		return nil
	}
	return newAuthEndpoint(o.Issuer)
}

// newAuthEndpoint returns the endpoint that s names, or none.
func newAuthEndpoint(s string) []authEndpoint {
	u, err := url.Parse(s)
	if s == "" || err != nil {
		return nil
	}
	port, err := urlPort(u)
	name, ok := canonicalHost(u.Hostname())
	if err != nil || !ok {
		return nil
	}
	return []authEndpoint{{name, port, foldPath(u.EscapedPath())}}
}

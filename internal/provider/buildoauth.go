package provider

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"authsome/internal/inject"
	"authsome/internal/oauth"
)

// Bounds of the oauth block.
const (
	maxParams = 32      // of one request
	maxPaths  = 16      // into an answer
	maxBody   = 4 << 10 // bytes
)

// Parameters that a request's own protocol sets; no definition may.
var (
	authorizationReserved = []string{"response_type", "client_id", "redirect_uri", "scope", "state", "code_challenge", "code_challenge_method", "resource"}
	tokenReserved         = []string{"grant_type", "code", "redirect_uri", "code_verifier", "refresh_token", "device_code", "client_id", "client_secret", "scope", "resource"}
)

// knownErrors are the codes that a vendor's own may stand for.
var knownErrors = []string{
	oauth.AccessDenied, oauth.AuthorizationPending, oauth.ExpiredToken, oauth.InvalidClient, oauth.InvalidGrant, oauth.InvalidScope,
	oauth.ServerError, oauth.SlowDown, oauth.TemporarilyUnavailable, oauth.UnauthorizedClient,
}

// oauth returns the oauth block with its URLs filled.
func (b *builder) oauth() *OAuth {
	if b.OAuth == nil {
		if b.AuthType == AuthOAuth2 {
			b.report("/oauth", fmt.Errorf("is required for auth_type %q", AuthOAuth2))
		}
		return nil
	}
	if b.AuthType == AuthAPIKey {
		b.report("/oauth", fmt.Errorf("has no meaning for auth_type %q", AuthAPIKey))
	}
	o := b.OAuth.clone()
	for _, field := range o.urls() {
		*field.value = b.endpointURL("/oauth/"+field.name, *field.value)
	}
	b.checkRequired(o)
	b.checkPlaces(o)
	b.checkScopes(o)
	b.checkRequests(o)
	b.checkTokenAnswer(o)
	b.checkRevocation(o)
	b.checkAccount(o.Account)
	return o
}

// clone copies what filling changes.
func (o *OAuth) clone() *OAuth {
	c := *o
	if o.Revocation != nil {
		r := *o.Revocation
		c.Revocation = &r
	}
	if o.Account != nil {
		a := *o.Account
		c.Account = &a
	}
	return &c
}

// pathNames are what the path of some URLs may hold in braces.
var pathNames = map[string][]string{
	"/oauth/revocation/url":         {"{client_id}", "{token}"},
	"/oauth/installation_token_url": {"{installation}"},
}

// endpointURL checks and fills one URL of the oauth block.
func (b *builder) endpointURL(at, s string) string {
	if s == "" {
		return ""
	}
	sample, err := samplePath(s, pathNames[at])
	if !b.check(at, err) || !b.check(at, checkTemplate(sample)) {
		return s
	}
	value, final := b.filled(sample)
	check := checkEndpointURL
	switch {
	case b.base != "" && value != sample:
		check = checkAnyHost // the base itself was checked, and may be an IP literal
		if at == "/oauth/client_url" {
			value, _, _ = strings.Cut(value, "#")
		}
	case at == "/oauth/client_url":
		check = checkPageURL
	}
	if b.check(at, check(value)) && final {
		return fill(s, b.base)
	}
	return s
}

func checkAnyHost(s string) error {
	_, err := parseHTTPS(s)
	return err
}

// samplePath puts an example in the place of names, which may stand in the
// path of s only: in the host they would choose whom to talk to.
func samplePath(s string, names []string) (string, error) {
	for _, name := range names {
		before, _, found := strings.Cut(s, name)
		_, afterScheme, absolute := strings.Cut(before, "://")
		if found && absolute && !strings.Contains(afterScheme, "/") {
			return "", fmt.Errorf("%s may stand in the path only", name)
		}
		s = strings.ReplaceAll(s, name, "sample")
	}
	return s, nil
}

// checkRequired reports the endpoints that a flow can't do without.
func (b *builder) checkRequired(o *OAuth) {
	token, authorization := urlField{"token_url", &o.TokenURL}, urlField{"authorization_url", &o.AuthorizationURL}
	required := map[string][]urlField{
		FlowPKCE:              {authorization, token},
		FlowDCR:               {authorization, token, {"registration_endpoint", &o.RegistrationEndpoint}},
		FlowDeviceCode:        {{"device_authorization_url", &o.DeviceAuthorizationURL}, token},
		FlowClientCredentials: {token},
	}
	if b.Flow == FlowDCR && o.discovers() {
		return
	}
	for _, field := range required[b.Flow] {
		if *field.value == "" {
			b.report("/oauth/"+field.name, fmt.Errorf("is required for flow %q", b.Flow))
		}
	}
}

// checkPlaces checks what the other URLs are for.
func (b *builder) checkPlaces(o *OAuth) {
	b.check("/oauth/client_id", checkText(o.ClientID, maxProse))
	b.checkEnum("/oauth/redirect", o.Redirect, RedirectLoopback, RedirectFixed, RedirectLocalhost)
	if strings.Contains(o.Issuer, "?") {
		b.report("/oauth/issuer", errors.New("holds a query, which no issuer has (RFC 8414 section 2)"))
	}
	if o.Resource != "" {
		value, _ := b.filled(o.Resource)
		b.check("/oauth/resource", b.checkClaimed(value))
	}
	if o.InstallationTokenURL != "" && !strings.Contains(o.InstallationTokenURL, "{installation}") {
		b.report("/oauth/installation_token_url", errors.New("does not say where {installation} goes"))
	}
}

func (b *builder) checkScopes(o *OAuth) {
	for i, scope := range o.Scopes {
		b.check("/oauth/scopes/"+strconv.Itoa(i), checkScope(scope))
	}
	for i, scope := range o.ServiceAccountScopes {
		b.check("/oauth/service_account_scopes/"+strconv.Itoa(i), checkScope(scope))
	}
	for at, separator := range map[string]string{"/oauth/scope_separator": o.ScopeSeparator, "/oauth/granted_scope_separator": o.GrantedScopeSeparator} {
		if separator != "" {
			b.checkEnum(at, separator, " ", ",")
		}
	}
	if o.ScopeParam != "" && o.ScopeParam != "scope" {
		b.check("/oauth/scope_param", checkParam(o.ScopeParam, authorizationReserved))
	}
	if o.ScopeParam != "" && o.AuthorizationParams[o.ScopeParam] != "" {
		b.report("/oauth/scope_param", errors.New("is one of authorization_params too"))
	}
}

// checkScope accepts a scope-token (RFC 6749 section 3.3).
func checkScope(s string) error {
	if s == "" || len(s) > maxPrefix*4 {
		return fmt.Errorf("scope %s is empty or too long", quote(s))
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' || s[i] == '"' || s[i] == '\\' {
			return fmt.Errorf("scope %s holds a character that no scope may have", quote(s))
		}
	}
	return nil
}

// checkRequests checks what is added to requests and how they are sent.
func (b *builder) checkRequests(o *OAuth) {
	b.checkEnum("/oauth/device_token_request", o.DeviceTokenRequest, "oauth2_form", "json")
	b.checkEnum("/oauth/token_request", o.TokenRequest, "form", "json")
	if o.TokenEndpointAuthMethod != "" {
		b.checkEnum("/oauth/token_endpoint_auth_method", o.TokenEndpointAuthMethod, oauth.AuthNone, oauth.AuthPost, oauth.AuthBasic)
	}
	b.checkParams("/oauth/authorization_params", o.AuthorizationParams, authorizationReserved)
	b.checkParams("/oauth/token_params", o.TokenParams, tokenReserved)
}

func (b *builder) checkParams(at string, params map[string]string, reserved []string) {
	for _, name := range slices.Sorted(maps.Keys(params)) {
		place := at + "/" + escapePointer(name)
		if b.check(place, checkParam(name, reserved)) {
			b.check(place, checkText(params[name], maxProse))
		}
	}
}

// checkParam accepts the name of a parameter (RFC 6749 appendix A).
func checkParam(name string, reserved []string) error {
	switch {
	case name == "" || len(name) > maxPrefix || strings.Trim(name, paramCharacters) != "":
		return fmt.Errorf("%s is not a parameter name", quote(name))
	case slices.Contains(reserved, name):
		return fmt.Errorf("parameter %s is not a definition's to set", name)
	}
	return nil
}

const paramCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

// checkTokenAnswer checks how the answers of the token endpoint are read.
func (b *builder) checkTokenAnswer(o *OAuth) {
	for _, code := range slices.Sorted(maps.Keys(o.TokenErrorCodes)) {
		at := "/oauth/token_error_codes/" + escapePointer(code)
		b.checkEnum(at, o.TokenErrorCodes[code], knownErrors...)
		b.check(at, checkTitle(code))
	}
	if o.AccessTokenPath != "" {
		b.check("/oauth/access_token_path", checkPath(o.AccessTokenPath))
	}
	for i, path := range o.TokenExtra {
		b.check("/oauth/token_extra/"+strconv.Itoa(i), checkKept(path))
	}
}

// checkPath accepts a path into a JSON object: names with dots between.
func checkPath(path string) error {
	for name := range strings.SplitSeq(path, ".") {
		if name == "" || len(path) > maxPrefix*4 || strings.Trim(name, paramCharacters) != "" {
			return fmt.Errorf("%s is not a path, as data.user.email", quote(path))
		}
	}
	return nil
}

// checkKept accepts the path of what may be kept in clear.
func checkKept(path string) error {
	if strings.HasSuffix(path, "token") || strings.HasSuffix(path, "secret") {
		return fmt.Errorf("%s sounds like a secret, which can't be kept as text", quote(path))
	}
	return checkPath(path)
}

func (b *builder) checkRevocation(o *OAuth) {
	r := o.Revocation
	if r == nil {
		return
	}
	const at = "/oauth/revocation"
	if o.RevocationURL != "" {
		b.report(at, errors.New("and revocation_url say two things; keep one of them"))
	}
	b.checkEnum(at+"/method", r.Method, http.MethodPost, http.MethodDelete)
	if r.Auth != "" {
		b.checkEnum(at+"/auth", r.Auth, oauth.AuthNone, oauth.AuthPost, oauth.AuthBasic, "bearer")
	}
	if r.Token != "" {
		b.checkEnum(at+"/token", r.Token, oauth.HintAccessToken, oauth.HintRefreshToken)
	}
	if r.Field != "" {
		b.check(at+"/field", checkParam(r.Field, nil))
	}
	b.checkParams(at+"/params", r.Params, []string{"client_secret"})
	names := false
	for _, value := range r.Params {
		names = names || strings.Contains(value, "{token}")
	}
	if !names && r.Auth != "bearer" && !strings.Contains(r.URL, "{token}") {
		b.report(at, errors.New("does not say where {token} goes"))
	}
}

func (b *builder) checkAccount(a *Account) {
	if a == nil {
		return
	}
	const at = "/oauth/account"
	for i, path := range a.Paths {
		place := at + "/path/" + strconv.Itoa(i)
		if b.check(place, checkPath(path)) && a.URL == "" {
			b.check(place, checkKept(path))
		}
	}
	if len(a.Paths) == 0 {
		b.report(at+"/path", errors.New("is empty"))
	}
	if a.URL == "" {
		b.checkNoRequest(a)
		return
	}
	value, _ := b.filled(a.URL)
	b.check(at+"/url", b.checkClaimed(value)) // the access token goes there
	b.checkEnum(at+"/method", a.Method, http.MethodGet, http.MethodPost)
	if a.Body != "" && a.Method != http.MethodPost {
		b.report(at+"/body", errors.New("is sent with method POST only"))
	}
	if len(a.Body) > maxBody {
		b.report(at+"/body", fmt.Errorf("is longer than %d bytes", maxBody))
	}
	b.checkHeaders(at+"/headers", a.Header)
}

// checkNoRequest reports parts of a request that is not made.
func (b *builder) checkNoRequest(a *Account) {
	if a.Method != http.MethodGet || a.Body != "" || len(a.Header) > 0 {
		b.report("/oauth/account/url", errors.New("is missing; without it the token answer is read and method, headers and body mean nothing"))
	}
}

// checkHeaders accepts fixed headers that a credential may go beside.
func (b *builder) checkHeaders(at string, headers map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		place := at + "/" + escapePointer(name)
		_, err := inject.Compile(inject.Spec{Kind: "header", Name: name, Value: "{access_token}"})
		b.check(place, err)
		if value := headers[name]; value == "" || len(value) > maxProse || !isHeaderText(value) {
			b.report(place, fmt.Errorf("%s is no header value of printable ASCII", quote(value)))
		}
		for _, spec := range b.oauthInject() {
			if target(spec) == "header "+strings.ToLower(name) {
				b.report(place, errors.New("is where the credential goes"))
			}
		}
	}
}

// oauthInject is what is put on a request, by default the bearer token (RFC
// 6750 section 2.1).
func (b *builder) oauthInject() []inject.Spec {
	if b.Inject != nil {
		return b.Inject
	}
	return []inject.Spec{{Kind: "header", Name: "Authorization", Value: "Bearer {access_token}"}}
}

func isHeaderText(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return strings.TrimSpace(s) == s
}

// escapePointer writes a name as a segment of a JSON pointer (RFC 6901).
func escapePointer(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}

package oauth

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"authsome/internal/secret"
)

// The ways a client authenticates at an endpoint (RFC 7591 section 2).
const (
	AuthNone  = "none"
	AuthPost  = "client_secret_post"
	AuthBasic = "client_secret_basic"
)

// AuthorizationRequest is one attempt to obtain a code (RFC 6749 section 4.1.1).
type AuthorizationRequest struct {
	RedirectURI string
	Scopes      []string
	State       secret.Text // NewState, one per attempt
	Verifier    secret.Text // NewVerifier, one per attempt
	Resources   []string    // RFC 8707
}

// CodeGrant trades a code for a token (RFC 6749 section 4.1.3).
type CodeGrant struct {
	Code        secret.Text
	RedirectURI string      // as in the authorization request
	Verifier    secret.Text // as in the authorization request
	Scopes      []string    // asked for, not sent: granted when the answer names none
	Resources   []string    // RFC 8707
}

// RefreshGrant trades a refresh token for a token (RFC 6749 section 6).
type RefreshGrant struct {
	RefreshToken secret.Text
	Scopes       []string // granted so far, not sent: still granted when the answer names none
	Resources    []string // RFC 8707
}

// AuthorizationURL returns the URL to open in a browser. It appends to the
// endpoint's own query and drops a fragment. It fails with ErrPKCE when the
// server says that it knows challenges but not S256.
func (c *Client) AuthorizationURL(s Server, a App, r AuthorizationRequest) (string, error) {
	endpoint, _, _ := strings.Cut(s.AuthorizationEndpoint, "#")
	if err := c.CheckURL(endpoint); err != nil {
		return "", fmt.Errorf("authorization endpoint: %w", err)
	}
	if s.CodeChallengeMethodsSupported != nil && !slices.Contains(s.CodeChallengeMethodsSupported, challengeMethod) {
		return "", fmt.Errorf("authorization endpoint: %w", ErrPKCE)
	}
	if a.ClientID == "" || r.State.IsZero() || r.Verifier.IsZero() || r.RedirectURI == "" {
		return "", fmt.Errorf("authorization request: %w: client id, redirect URI, state and verifier are required", ErrClient)
	}
	query := url.Values{
		"response_type":         {"code"},
		"client_id":             {a.ClientID},
		"redirect_uri":          {r.RedirectURI},
		"state":                 {r.State.Reveal()},
		"code_challenge":        {CodeChallenge(r.Verifier)},
		"code_challenge_method": {challengeMethod},
	}
	if len(r.Scopes) > 0 {
		query.Set(s.Quirks.scopeParam(), s.Quirks.joinScopes(r.Scopes))
	}
	if err := addResources(query, r.Resources); err != nil {
		return "", err
	}
	return appendQuery(endpoint, query, s.Quirks.AuthorizationParams)
}

// appendQuery adds parameters to an endpoint. None may stand twice (RFC 6749
// section 3.1), so neither the endpoint nor a quirk can replace one of ours.
func appendQuery(endpoint string, query url.Values, quirks map[string]string) (string, error) {
	if err := addParams(query, quirks); err != nil {
		return "", fmt.Errorf("authorization endpoint: %w", err)
	}
	u, err := url.Parse(endpoint)
	if err != nil {
		return "", fmt.Errorf("authorization endpoint: %w", ErrURL)
	}
	own, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return "", fmt.Errorf("authorization endpoint: %w: malformed query", ErrURL)
	}
	for name := range own {
		if query.Has(name) {
			return "", fmt.Errorf("authorization endpoint: %w: its query holds %s", ErrURL, Clean(name, 60))
		}
	}
	u.RawQuery = strings.TrimPrefix(u.RawQuery+"&"+query.Encode(), "&")
	return u.String(), nil
}

// addParams adds quirks without letting one replace a parameter of the RFC.
func addParams(form url.Values, params map[string]string) error {
	for name, value := range params {
		if form.Has(name) {
			return fmt.Errorf("%w: parameter %s is not a quirk's to set", ErrClient, Clean(name, 60))
		}
		form.Set(name, value)
	}
	return nil
}

// Exchange trades a code for a token. The code and verifier are good for one
// call, whether it succeeds or not.
func (c *Client) Exchange(ctx context.Context, s Server, a App, g CodeGrant) (Token, error) {
	form := url.Values{
		"grant_type":    {"authorization_code"},
		"code":          {g.Code.Reveal()},
		"redirect_uri":  {g.RedirectURI},
		"code_verifier": {g.Verifier.Reveal()},
	}
	return c.token(ctx, s, a, grant{form, g.Scopes, g.Resources, []secret.Text{g.Code, g.Verifier}})
}

// Refresh trades a refresh token for a token. The result's refresh token is
// the new one when the server rotated it, else the one given. When it fails
// with code InvalidGrant the grant is gone; when it fails without an answer,
// whether the server has rotated is not known.
func (c *Client) Refresh(ctx context.Context, s Server, a App, g RefreshGrant) (Token, error) {
	form := url.Values{
		"grant_type":    {"refresh_token"},
		"refresh_token": {g.RefreshToken.Reveal()},
	}
	t, err := c.token(ctx, s, a, grant{form, g.Scopes, g.Resources, []secret.Text{g.RefreshToken}})
	if err == nil && t.RefreshToken.IsZero() {
		t.RefreshToken = g.RefreshToken
	}
	return t, err
}

// ClientCredentials obtains a token for the client itself (RFC 6749 section 4.4).
func (c *Client) ClientCredentials(ctx context.Context, s Server, a App, scopes, resources []string) (Token, error) {
	if a.ClientSecret.IsZero() {
		return Token{}, fmt.Errorf("token endpoint: %w: client credentials need a client secret", ErrClient)
	}
	form := url.Values{"grant_type": {"client_credentials"}}
	if len(scopes) > 0 {
		form.Set("scope", s.Quirks.joinScopes(scopes))
	}
	return c.token(ctx, s, a, grant{form: form, scopes: scopes, resources: resources})
}

// grant is what a token request sends.
type grant struct {
	form      url.Values
	scopes    []string // granted when the answer names none
	resources []string
	secrets   []secret.Text
}

// token posts a grant to the token endpoint and reads the answer.
func (c *Client) token(ctx context.Context, s Server, a App, g grant) (Token, error) {
	if a.ClientID == "" {
		return Token{}, fmt.Errorf("token endpoint: %w: no client id", ErrClient)
	}
	if err := addResources(g.form, g.resources); err != nil {
		return Token{}, err
	}
	if err := addParams(g.form, s.Quirks.TokenParams); err != nil {
		return Token{}, fmt.Errorf("token endpoint: %w", err)
	}
	k := call{endpoint: "token endpoint", url: s.TokenEndpoint, limit: maxToken, secrets: append(g.secrets, a.ClientSecret)}
	k.header = http.Header{}
	if err := a.authenticate(k.header, g.form, s.TokenEndpointAuthMethodsSupported); err != nil {
		return Token{}, fmt.Errorf("token endpoint: %w", err)
	}
	if s.Quirks.TokenRequestJSON {
		k.json(flat(g.form))
	} else {
		k.form(g.form)
	}
	return c.requestToken(ctx, k, s.Quirks, g)
}

// requestToken sends a token request that is ready to go. The time to live
// counts from before it: better early than late.
func (c *Client) requestToken(ctx context.Context, k call, q Quirks, g grant) (Token, error) {
	now := time.Now()
	a, err := c.do(ctx, k)
	if err != nil {
		return Token{}, err
	}
	r, err := c.parseToken(a, q, g.form.Get("grant_type"), k.secrets)
	if err != nil {
		return Token{}, fmt.Errorf("%s: %w", k.endpoint, err)
	}
	return r.token(now, g.scopes), nil
}

// authenticate puts the client's identity on a request (RFC 6749 section 2.3).
func (a App) authenticate(header http.Header, form url.Values, supported []string) error {
	method, err := a.method(supported)
	if err != nil {
		return err
	}
	if method == AuthBasic {
		// Both halves are form-encoded first (section 2.3.1).
		pair := url.QueryEscape(a.ClientID) + ":" + url.QueryEscape(a.ClientSecret.Reveal())
		header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(pair)))
		return nil
	}
	if a.ClientID != "" {
		form.Set("client_id", a.ClientID)
	}
	if method == AuthPost {
		form.Set("client_secret", a.ClientSecret.Reveal())
	}
	return nil
}

// method chooses how to authenticate. It never tries one after the other: that
// would send the grant twice. A server that names no method does Basic (RFC
// 8414 section 2).
func (a App) method(supported []string) (string, error) {
	m := a.AuthMethod
	if m == "" {
		switch {
		case a.ClientSecret.IsZero():
			m = AuthNone
		case supported == nil || slices.Contains(supported, AuthBasic):
			m = AuthBasic
		case slices.Contains(supported, AuthPost):
			m = AuthPost
		default:
			return "", fmt.Errorf("%w: it takes no client secret", ErrClient)
		}
	}
	switch {
	case m == AuthNone:
	case m != AuthPost && m != AuthBasic:
		return "", fmt.Errorf("%w: authentication method %s is unknown", ErrClient, Clean(m, 60))
	case a.ClientSecret.IsZero() || a.ClientID == "":
		return "", fmt.Errorf("%w: %s needs a client id and secret", ErrClient, m)
	}
	return m, nil
}

// form makes k a POST of a form.
func (k *call) form(form url.Values) {
	k.post("application/x-www-form-urlencoded", []byte(form.Encode()))
}

// json makes k a POST of a JSON object.
func (k *call) json(object any) {
	body, _ := json.Marshal(object) // strings and lists of strings always encode
	k.post("application/json", body)
}

func (k *call) post(contentType string, body []byte) {
	k.method, k.body = http.MethodPost, body
	if k.header == nil {
		k.header = http.Header{}
	}
	k.header.Set("Content-Type", contentType)
}

// flat is a form as a JSON object: a name with one value is a string.
func flat(form url.Values) map[string]any {
	o := make(map[string]any, len(form))
	for name, values := range form {
		if len(values) == 1 {
			o[name] = values[0]
		} else {
			o[name] = values
		}
	}
	return o
}

func (q Quirks) scopeParam() string {
	if q.ScopeParam == "" {
		return "scope"
	}
	return q.ScopeParam
}

func (q Quirks) joinScopes(scopes []string) string {
	if q.ScopeSeparator == "" {
		return strings.Join(scopes, " ")
	}
	return strings.Join(scopes, q.ScopeSeparator)
}

func (q Quirks) grantedSeparator() string {
	if q.GrantedScopeSeparator == "" {
		return q.ScopeSeparator
	}
	return q.GrantedScopeSeparator
}

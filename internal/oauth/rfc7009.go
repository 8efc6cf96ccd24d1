package oauth

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"authsome/internal/secret"
)

// Token type hints (RFC 7009 section 2.1).
const (
	HintAccessToken  = "access_token"
	HintRefreshToken = "refresh_token"
)

// Revocation is a server's own way to revoke a token, where it is not RFC 7009.
type Revocation struct {
	Method string            // "" means POST
	URL    string            // may hold {client_id} and {token}, which are escaped
	Auth   string            // AuthNone, AuthPost, AuthBasic, or "bearer": the token itself; "" as at the token endpoint
	Params map[string]string // a value may be {client_id} or {token}
	JSON   bool              // Params are sent as a JSON object, not as a form
	Field  string            // "" or a member of a 200 answer that must be true: ok
}

// authBearer authenticates a revocation by the token that it revokes.
const authBearer = "bearer"

// Revoke makes a token invalid at the server, and with a refresh token the
// whole grant where the server does so. A token the server no longer knows is
// a success (RFC 7009 section 2.2).
func (c *Client) Revoke(ctx context.Context, s Server, a App, token secret.Text, hint string) error {
	if s.Quirks.Revocation != nil {
		return c.revokeBy(ctx, s, a, token, *s.Quirks.Revocation)
	}
	supported := s.RevocationEndpointAuthMethodsSupported
	if supported == nil {
		supported = s.TokenEndpointAuthMethodsSupported
	}
	form := url.Values{"token": {token.Reveal()}}
	if hint != "" {
		form.Set("token_type_hint", hint)
	}
	k := revocationCall(s.RevocationEndpoint, a, token)
	if err := a.authenticate(k.header, form, supported); err != nil {
		return fmt.Errorf("%s: %w", k.endpoint, err)
	}
	k.form(form)
	return c.revoke(ctx, k, s, "")
}

// revokeBy follows a server's own way.
func (c *Client) revokeBy(ctx context.Context, s Server, a App, token secret.Text, v Revocation) error {
	k := revocationCall(strings.NewReplacer(
		"{client_id}", url.PathEscape(a.ClientID), "{token}", url.PathEscape(token.Reveal()),
	).Replace(v.URL), a, token)
	form := url.Values{}
	for name, value := range v.Params {
		form.Set(name, strings.NewReplacer("{client_id}", a.ClientID, "{token}", token.Reveal()).Replace(value))
	}
	if v.Auth == authBearer {
		k.header.Set("Authorization", "Bearer "+token.Reveal())
	} else {
		by := App{a.ClientID, a.ClientSecret, v.Auth}
		if v.Auth == "" {
			by.AuthMethod = a.AuthMethod
		}
		if err := by.authenticate(k.header, form, s.TokenEndpointAuthMethodsSupported); err != nil {
			return fmt.Errorf("%s: %w", k.endpoint, err)
		}
	}
	if v.JSON {
		k.json(flat(form))
	} else if len(form) > 0 {
		k.form(form)
	}
	k.method = v.Method
	if k.method == "" {
		k.method = http.MethodPost
	}
	return c.revoke(ctx, k, s, v.Field)
}

func revocationCall(endpoint string, a App, token secret.Text) call {
	return call{
		endpoint: "revocation endpoint", url: endpoint, header: http.Header{},
		limit: maxToken, secrets: []secret.Text{token, a.ClientSecret},
	}
}

// revoke sends the request. What a success says is not looked at, unless field
// names a member that must be true.
func (c *Client) revoke(ctx context.Context, k call, s Server, field string) error {
	a, err := c.do(ctx, k)
	switch {
	case err != nil:
		return err
	case !a.ok():
		return fmt.Errorf("%s: %w", k.endpoint, c.refusal(a, s.Quirks.ErrorCodes, k.secrets))
	case field == "":
		return nil
	}
	o, err := decode(a)
	if err != nil {
		return fmt.Errorf("%s: %w", k.endpoint, err)
	}
	var done bool
	if json.Unmarshal(o[field], &done) != nil || !done {
		return fmt.Errorf("%s: %w", k.endpoint, c.errorFrom(a.status, o, s.Quirks.ErrorCodes, k.secrets))
	}
	return nil
}

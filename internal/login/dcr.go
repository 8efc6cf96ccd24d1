package login

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"authsome/internal/oauth"
	"authsome/internal/secret"
)

// clientName is what servers call us on their consent pages.
const clientName = "authsome"

// errForgotten says that a registered client is of no use any more.
var errForgotten = errors.New("client is not known any more")

// dcr is flow "dcr_pkce": flow "pkce" at a server that is discovered, by a
// client that authsome registers (RFC 9728, RFC 8414, RFC 7591). A client the
// server has forgotten is registered anew.
func dcr(ctx context.Context, req Request) (Result, error) {
	t, err := req.discover(ctx)
	if err != nil {
		return Result{}, err
	}
	if c := req.Client; c != nil && c.ID != "" {
		result, err := t.loginAs(ctx, req, c)
		if !c.registered() || !forgotten(err) {
			return result, err
		}
	}
	return t.loginAnew(ctx, req)
}

// forgotten reports whether an error means that another client is needed.
func forgotten(err error) bool {
	code := oauth.Code(err)
	return errors.Is(err, errForgotten) ||
		code == oauth.InvalidClient || code == oauth.UnauthorizedClient || code == oauth.InvalidRedirectURI
}

// loginAs logs in by a client that there is.
func (t target) loginAs(ctx context.Context, req Request, c *Client) (Result, error) {
	if c.registered() && c.Issuer != t.registrar() {
		return Result{}, errForgotten
	}
	r, err := listen(ctx, redirectURI(req.Definition.OAuth, c))
	if err != nil && c.registered() {
		return Result{}, errForgotten // its port is taken, and it may use no other
	}
	if err != nil {
		return Result{}, err
	}
	t.app = c.app()
	if c.registered() {
		if err := t.probe(ctx, r.uri); err != nil {
			r.close()
			return Result{}, err
		}
	}
	token, err := t.authorize(ctx, req, r)
	if err != nil {
		return Result{}, err
	}
	return t.result(token, c), nil
}

// registrar names the server that a client belongs to.
func (t target) registrar() string { return cmp.Or(t.server.Issuer, t.server.RegistrationEndpoint) }

// probe finds out whether the server still knows the client, by a code that was
// never issued: the authorization endpoint would tell the human only, and the
// login would wait in vain.
func (t target) probe(ctx context.Context, redirectURI string) error {
	_, err := t.client.Exchange(ctx, t.server, t.app, oauth.CodeGrant{
		Code: oauth.NewState(), RedirectURI: redirectURI, Verifier: oauth.NewVerifier(), Resources: t.resources,
	})
	if e, ok := errors.AsType[*oauth.Error](err); ok && !forgotten(e) && !e.Temporary() {
		return nil // it knows the client, not the code
	}
	return err
}

// loginAnew logs in by a client that it registers with the redirect URI in use.
func (t target) loginAnew(ctx context.Context, req Request) (Result, error) {
	r, err := listen(ctx, "")
	if err != nil {
		return Result{}, err
	}
	c, err := t.register(ctx, r.uri)
	if err != nil {
		r.close()
		return Result{}, err
	}
	t.app = c.app()
	token, err := t.authorize(ctx, req, r)
	if err != nil {
		return Result{}, err
	}
	return t.result(token, c), nil
}

func (t target) register(ctx context.Context, redirectURI string) (*Client, error) {
	if t.server.RegistrationEndpoint == "" {
		return nil, fmt.Errorf("%w: the server registers no clients by itself: register one there and give its id with --client-id", ErrClient)
	}
	made, err := t.client.Register(ctx, t.server, oauth.Registration{
		ClientName: clientName, RedirectURIs: []string{redirectURI}, Scopes: t.scopes, AuthMethod: t.registrationMethod(),
	}, secret.Text{})
	if err != nil {
		return nil, err
	}
	c := &Client{
		ID: made.ClientID, AuthMethod: made.AuthMethod, RedirectURI: redirectURI, Secret: made.ClientSecret,
		RegistrationToken: made.RegistrationAccessToken, RegistrationURI: made.RegistrationClientURI, Issuer: t.registrar(),
		TokenEndpoint: t.server.TokenEndpoint, RevocationEndpoint: t.server.RevocationEndpoint,
		AuthorizationEndpoint: t.server.AuthorizationEndpoint,
	}
	if len(t.resources) > 0 {
		c.Resource = t.resources[0]
	}
	return c, nil
}

// registrationMethod prefers no secret, which a program on people's machines
// could not keep (RFC 8252 section 8.4).
func (t target) registrationMethod() string {
	supported := t.server.TokenEndpointAuthMethodsSupported
	for _, method := range []string{oauth.AuthNone, oauth.AuthBasic, oauth.AuthPost} {
		if slices.Contains(supported, method) {
			return method
		}
	}
	return oauth.AuthNone
}

// discover finds the server: in the definition, from its resource, or from its
// issuer.
func (r Request) discover(ctx context.Context) (target, error) {
	o := r.Definition.OAuth
	if o == nil || o.RegistrationEndpoint == "" && o.Resource == "" && o.Issuer == "" {
		return target{}, r.unavailable()
	}
	t, err := r.target(oauth.App{})
	if err != nil || o.RegistrationEndpoint != "" && o.AuthorizationURL != "" && o.TokenURL != "" {
		return t, err
	}
	issuer := o.Issuer
	var offered []string
	if o.Resource != "" {
		p, err := t.client.DiscoverResource(ctx, o.Resource)
		if err != nil {
			return target{}, err
		}
		if issuer, err = trusted(p, o.Issuer); err != nil {
			return target{}, err
		}
		t.resources, offered = []string{p.Resource}, p.ScopesSupported
	}
	if err := t.find(ctx, issuer); err != nil {
		return target{}, err
	}
	if r.Scopes == nil && len(o.Scopes) == 0 {
		t.scopes = t.usual(offered)
	}
	return t, nil
}

// trusted chooses the authorization server of a resource. One that the
// definition names is the only one.
func trusted(p oauth.ProtectedResource, issuer string) (string, error) {
	if issuer == "" {
		return p.AuthorizationServers[0], nil
	}
	if !slices.Contains(p.AuthorizationServers, issuer) {
		return "", fmt.Errorf("resource metadata: %w: they do not name the definition's", oauth.ErrIssuer)
	}
	return issuer, nil
}

// find puts what the server says of itself in place of the definition, less
// the quirks, which it does not know.
func (t *target) find(ctx context.Context, issuer string) error {
	found, err := t.client.Discover(ctx, issuer)
	if err != nil {
		return err
	}
	found.Quirks = t.server.Quirks
	if methods := t.server.TokenEndpointAuthMethodsSupported; methods != nil {
		found.TokenEndpointAuthMethodsSupported = methods
	}
	t.server = found
	return nil
}

// usual is what to ask for where nobody says: all the resource offers, and to
// stay logged in.
func (t target) usual(offered []string) []string {
	const stay = "offline_access" // OpenID Connect Core section 11
	if slices.Contains(t.server.ScopesSupported, stay) && !slices.Contains(offered, stay) {
		return append(slices.Clone(offered), stay)
	}
	return offered
}

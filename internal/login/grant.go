package login

import (
	"context"
	"errors"
	"fmt"

	"authsome/internal/credential"
	"authsome/internal/oauth"
	"authsome/internal/provider"
)

// Grant is a credential with all it takes to refresh or revoke it. What came
// of the login goes back in here: the caller keeps it beside the credential.
type Grant struct {
	Definition   *provider.Definition // with its base URL resolved
	Client       *Client              // as saved; nil means the definition's own
	Credential   credential.Credential
	Network      Network
	Flow         string // Result.Flow; without it client_credentials, github_app and service_account can't be renewed
	Installation string // Request.Installation
}

// Refresh obtains a fresh credential without a human. It fails with ErrGrant
// when only a new login helps, ErrNoRefresh when there is nothing to refresh
// with, and ErrClient when the server refuses the client; any other error may
// be gone the next time. Without an answer it is not known whether the server
// has rotated the refresh token.
func Refresh(ctx context.Context, g Grant) (credential.Credential, error) {
	if g.Definition.OAuth == nil || g.Flow == provider.FlowAPIKey {
		return credential.Credential{}, ErrNoRefresh
	}
	t, err := g.target()
	if err != nil {
		return credential.Credential{}, err
	}
	token, err := g.token(ctx, t)
	if err != nil {
		return credential.Credential{}, g.failure(err)
	}
	fresh := newCredential(token)
	return fresh, fresh.Validate()
}

// token obtains a new token the way the old one was.
func (g Grant) token(ctx context.Context, t target) (oauth.Token, error) {
	switch old := g.Credential.Field(credential.RefreshToken); {
	case g.Flow == provider.FlowClientCredentials:
		return t.client.ClientCredentials(ctx, t.server, t.app, t.scopes, t.resources)
	case g.Flow == FlowGitHubApp && g.Client != nil:
		return installationToken(ctx, t.client, g.Definition.OAuth, g.Client, g.Installation)
	case g.Flow == provider.FlowServiceAccount && g.Client != nil:
		account, err := oauth.ReadServiceAccount(g.Client.Secret)
		if err != nil {
			return oauth.Token{}, err
		}
		return t.client.ServiceAccountToken(ctx, t.server, account, t.scopes)
	case !old.IsZero():
		return t.client.Refresh(ctx, t.server, t.app, oauth.RefreshGrant{RefreshToken: old, Scopes: t.scopes, Resources: t.resources})
	}
	return oauth.Token{}, ErrNoRefresh
}

// target is the server and client the grant was obtained by.
func (g Grant) target() (target, error) {
	client, err := g.Network.oauth()
	if err != nil {
		return target{}, err
	}
	o := g.Definition.OAuth
	t := target{client, o.Server(), oauth.App{ClientID: o.ClientID}, g.Credential.Scopes, resources(o.Resource)}
	if c := g.Client; c != nil {
		t.app = c.app()
		if c.registered() {
			t.server.TokenEndpoint, t.server.RevocationEndpoint, t.resources = c.TokenEndpoint, c.RevocationEndpoint, resources(c.Resource)
		}
		if t.app.ClientID == "" {
			t.app.ClientID = o.ClientID
		}
	}
	return t, nil
}

// failure tells a grant that is gone from everything else.
func (g Grant) failure(err error) error {
	switch code := oauth.Code(err); {
	case code == oauth.InvalidGrant:
		return fmt.Errorf("%w: %w", ErrGrant, err)
	case code == oauth.InvalidClient, code == oauth.UnauthorizedClient:
		if g.Client.registered() { // the next login registers another
			return fmt.Errorf("%w: %w", ErrGrant, err)
		}
		return fmt.Errorf("%w: %w", ErrClient, err)
	case errors.Is(err, oauth.ErrClient), errors.Is(err, oauth.ErrKey):
		return fmt.Errorf("%w: %w", ErrClient, err)
	}
	return err
}

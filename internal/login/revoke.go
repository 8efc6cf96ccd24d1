package login

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"authsome/internal/credential"
	"authsome/internal/oauth"
	"authsome/internal/provider"
	"authsome/internal/secret"
)

// Revoke makes the credential worthless at the provider: the refresh token
// first, then the access token. It fails with ErrNoRevocation when the
// provider has no way to, or when authsome did not obtain the credential: a key
// that was made elsewhere may be in use there.
func Revoke(ctx context.Context, g Grant) error {
	if g.Definition.OAuth == nil || g.Flow == provider.FlowAPIKey || g.Flow == FlowGitHubApp || g.Flow == provider.FlowServiceAccount {
		return ErrNoRevocation
	}
	t, err := g.target()
	if err != nil {
		return err
	}
	if t.server.RevocationEndpoint == "" && t.server.Quirks.Revocation == nil {
		return ErrNoRevocation
	}
	err = g.revoke(ctx, t)
	if errors.Is(err, oauth.ErrClient) { // this way wants a secret that the client does not have
		return fmt.Errorf("%w: %w", ErrNoRevocation, err)
	}
	return err
}

// revoke goes through the tokens that the server takes.
func (g Grant) revoke(ctx context.Context, t target) error {
	refresh, access := g.revocable(credential.RefreshToken), g.revocable(credential.AccessToken)
	if refresh.IsZero() && access.IsZero() {
		return ErrNoRevocation
	}
	if refresh.IsZero() {
		return t.revoke(ctx, access, oauth.HintAccessToken)
	}
	if err := t.revoke(ctx, refresh, oauth.HintRefreshToken); err != nil || access.IsZero() {
		return err
	}
	err := t.revoke(ctx, access, oauth.HintAccessToken)
	if e, ok := errors.AsType[*oauth.Error](err); ok && !e.Temporary() {
		return nil // it died with the refresh token, or can't be revoked and will expire
	}
	return err
}

// revocable returns a token unless the provider's own way does not take it.
func (g Grant) revocable(field string) secret.Text {
	if own := g.Definition.OAuth.Revocation; own != nil && own.Token != "" && own.Token != field {
		return secret.Text{}
	}
	return g.Credential.Field(field)
}

// revoke revokes one token. One that is dead already is a success, as in RFC
// 7009 section 2.2, also where a server calls it an error.
func (t target) revoke(ctx context.Context, token secret.Text, hint string) error {
	err := t.client.Revoke(ctx, t.server, t.app, token, hint)
	if e, ok := errors.AsType[*oauth.Error](err); ok && dead(e, t.server.Quirks.Revocation) {
		return nil
	}
	return err
}

func dead(e *oauth.Error, own *oauth.Revocation) bool {
	if e.Code == "invalid_token" || e.Code == oauth.InvalidGrant {
		return true
	}
	return own != nil && (e.Status == http.StatusNotFound || e.Status == http.StatusUnauthorized && own.Auth == "bearer")
}

package login

import (
	"context"
	"fmt"

	"authsome/internal/oauth"
)

// serviceAccount is flow "service_account": a token for an assertion that the
// key file of a service account signs. The file stays with the connection.
func serviceAccount(ctx context.Context, req Request) (Result, error) {
	o := req.Definition.OAuth
	if o == nil || len(o.ServiceAccountScopes) == 0 {
		return Result{}, req.unavailable()
	}
	if req.Client == nil || req.Client.Secret.IsZero() || req.Client.registered() {
		return Result{}, fmt.Errorf("%w: give the service account's key file (JSON) with --client-secret-stdin", ErrClient)
	}
	client, err := req.Network.oauth()
	if err != nil {
		return Result{}, err
	}
	scopes := req.Scopes
	if scopes == nil {
		scopes = o.ServiceAccountScopes
	}
	account, err := oauth.ReadServiceAccount(req.Client.Secret)
	if err != nil {
		return Result{}, err
	}
	token, err := client.ServiceAccountToken(ctx, o.Server(), account, scopes)
	if err != nil {
		return Result{}, err
	}
	return Result{Credential: newCredential(token), Client: &Client{ID: account.Email, Secret: req.Client.Secret}}, nil
}

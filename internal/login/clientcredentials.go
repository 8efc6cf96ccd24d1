package login

import "context"

// clientCredentials is flow "client_credentials": the client is itself who is
// logged in (RFC 6749 section 4.4). No human approves anything.
func clientCredentials(ctx context.Context, req Request) (Result, error) {
	o := req.Definition.OAuth
	if o == nil || o.TokenURL == "" {
		return Result{}, req.unavailable()
	}
	use, keep, err := chooseClient(ctx, req, secretRequired)
	if err != nil {
		return Result{}, err
	}
	t, err := req.target(use.app())
	if err != nil {
		return Result{}, err
	}
	token, err := t.client.ClientCredentials(ctx, t.server, t.app, t.scopes, t.resources)
	if err != nil {
		return Result{}, err
	}
	return t.result(token, keep), nil
}

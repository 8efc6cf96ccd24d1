package login

import (
	"cmp"
	"context"

	"authsome/internal/oauth"
)

// deviceCode is flow "device_code": the human approves in whatever browser is
// at hand, on this machine or another (RFC 8628).
func deviceCode(ctx context.Context, req Request) (Result, error) {
	o := req.Definition.OAuth
	if o == nil || o.DeviceAuthorizationURL == "" || o.TokenURL == "" {
		return Result{}, req.unavailable()
	}
	use, keep, err := deviceClient(ctx, req)
	if err != nil {
		return Result{}, err
	}
	t, err := req.target(use.app())
	if err != nil {
		return Result{}, err
	}
	token, err := t.approve(ctx, req)
	if err != nil {
		return Result{}, err
	}
	return t.result(token, keep), nil
}

// deviceClient is the client of the flow. A server with the JSON variant
// serves one client only, which has no id.
func deviceClient(ctx context.Context, req Request) (use, keep *Client, err error) {
	if o := req.Definition.OAuth; o.Server().Quirks.DeviceTokenJSON && o.ClientID == "" && req.Client == nil {
		return &Client{}, nil, nil
	}
	return chooseClient(ctx, req, secretUnused)
}

// approve shows the user code and waits until it is approved.
func (t target) approve(ctx context.Context, req Request) (token oauth.Token, err error) {
	d, err := t.client.AuthorizeDevice(ctx, t.server, t.app, t.scopes, t.resources)
	if err != nil {
		return token, err
	}
	visit := Visit{
		Provider: req.Definition.DisplayName, URL: d.VerificationURI, Code: d.UserCode, Expiry: d.Expiry,
		Open: cmp.Or(d.VerificationURIComplete, d.VerificationURI),
	}
	err = accompany(ctx, req.UI, visit, func(ctx context.Context) error {
		token, err = t.client.PollDevice(ctx, t.server, t.app, d, t.scopes)
		return err
	})
	return token, err
}

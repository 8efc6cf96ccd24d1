package login

import (
	"context"
	"errors"
	"fmt"

	"authsome/internal/oauth"
	"authsome/internal/secret"
)

// pkce is flow "pkce": a code by way of the browser and a loopback redirect
// (RFC 6749 section 4.1, RFC 7636, RFC 8252).
func pkce(ctx context.Context, req Request) (Result, error) {
	o := req.Definition.OAuth
	if o == nil || o.AuthorizationURL == "" || o.TokenURL == "" {
		return Result{}, req.unavailable()
	}
	use, keep, err := chooseClient(ctx, req, need(o))
	if err != nil {
		return Result{}, err
	}
	t, err := req.target(use.app())
	if err != nil {
		return Result{}, err
	}
	r, err := listen(ctx, redirectURI(o, use))
	if err != nil {
		return Result{}, err
	}
	token, err := t.authorize(ctx, req, r)
	if err != nil {
		return Result{}, err
	}
	return t.result(token, keep), nil
}

// authorize sends the human to the authorization endpoint, waits for the code
// and trades it. It closes r.
func (t target) authorize(ctx context.Context, req Request, r *redirect) (token oauth.Token, err error) {
	defer r.close()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	ask := oauth.AuthorizationRequest{
		RedirectURI: r.uri, Scopes: t.scopes, State: oauth.NewState(), Verifier: oauth.NewVerifier(), Resources: t.resources,
	}
	at, err := t.client.AuthorizationURL(t.server, t.app, ask)
	if err != nil {
		return token, err
	}
	await := oauth.Await{
		Server: t.server, State: ask.State, Style: PageStyle,
		Page: func(o oauth.Outcome) []byte { return outcomePage(req.Definition.DisplayName, o).HTML() },
		Finish: func(ctx context.Context, code secret.Text) error {
			token, err = t.client.Exchange(ctx, t.server, t.app, oauth.CodeGrant{
				Code: code, RedirectURI: ask.RedirectURI, Verifier: ask.Verifier, Scopes: t.scopes, Resources: t.resources,
			})
			return err
		},
	}
	visit := Visit{Provider: req.Definition.DisplayName, URL: at, Open: r.Open(at)}
	err = accompany(ctx, req.UI, visit, func(ctx context.Context) error { return r.Wait(ctx, await) })
	if errors.Is(ctx.Err(), context.DeadlineExceeded) && err != nil {
		return oauth.Token{}, fmt.Errorf("%w: no answer from the browser within %v", ErrTimeout, timeout)
	}
	return token, err
}

// accompany shows the human a page while wait runs. When it can't be shown the
// wait is over.
func accompany(ctx context.Context, ui UI, v Visit, wait func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		if err := ui.Visit(ctx, v); err != nil && ctx.Err() == nil {
			cancel(&unshown{err})
		}
	}()
	err := wait(ctx)
	cancel(nil)
	<-shown
	if u, ok := errors.AsType[*unshown](context.Cause(ctx)); ok && err != nil {
		return u.error
	}
	return err
}

// unshown is why a page could not be shown.
type unshown struct{ error }

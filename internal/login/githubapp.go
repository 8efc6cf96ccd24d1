package login

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"authsome/internal/oauth"
	"authsome/internal/provider"
)

// githubApp is flow "github_app": the token of one installation of an app, for
// an assertion signed with the app's private key.
func githubApp(ctx context.Context, req Request) (Result, error) {
	o := req.Definition.OAuth
	if o == nil || o.InstallationTokenURL == "" {
		return Result{}, req.unavailable()
	}
	c := req.Client
	if c == nil || c.ID == "" || c.Secret.IsZero() || c.registered() {
		return Result{}, fmt.Errorf("%w: give the app's id with --client-id and its private key (PEM) with --client-secret-stdin", ErrClient)
	}
	client, err := req.Network.oauth()
	if err != nil {
		return Result{}, err
	}
	token, err := installationToken(ctx, client, o, c, req.Installation)
	if err != nil {
		return Result{}, err
	}
	return Result{Credential: newCredential(token), Client: c}, nil
}

func installationToken(ctx context.Context, client *oauth.Client, o *provider.OAuth, c *Client, installation string) (oauth.Token, error) {
	if installation == "" {
		return oauth.Token{}, fmt.Errorf("%w: name the installation with --installation", ErrClient)
	}
	assertion, err := oauth.SignAssertion(c.Secret, c.ID, time.Now())
	if err != nil {
		return oauth.Token{}, err
	}
	endpoint := strings.ReplaceAll(o.InstallationTokenURL, "{installation}", url.PathEscape(installation))
	return client.InstallationToken(ctx, endpoint, assertion)
}

package login

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"authsome/internal/oauth"
	"authsome/internal/provider"
	"authsome/internal/secret"
)

// maxServiceAccount bounds a key file, in bytes.
const maxServiceAccount = 64 << 10

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
	account, err := readServiceAccount(req.Client.Secret)
	if err != nil {
		return Result{}, err
	}
	token, err := account.token(ctx, client, o, scopes)
	if err != nil {
		return Result{}, err
	}
	return Result{Credential: newCredential(token), Client: &Client{ID: account.email, Secret: req.Client.Secret}}, nil
}

// serviceKey is what the key file of a service account says.
type serviceKey struct {
	email    string
	key      secret.Text // PEM
	tokenURL string
}

// readServiceAccount's error never quotes the file.
func readServiceAccount(file secret.Text) (serviceKey, error) {
	var f struct {
		Type        string `json:"type"`
		ClientEmail string `json:"client_email"`
		PrivateKey  string `json:"private_key"`
		TokenURI    string `json:"token_uri"`
	}
	text := file.Reveal()
	if len(text) > maxServiceAccount || json.Unmarshal([]byte(text), &f) != nil || f.Type != "service_account" {
		return serviceKey{}, fmt.Errorf("%w: it is not the key file of a service account", ErrClient)
	}
	if !isClientID(f.ClientEmail) || f.PrivateKey == "" {
		return serviceKey{}, fmt.Errorf("%w: the key file has no client_email or no private_key", ErrClient)
	}
	return serviceKey{f.ClientEmail, secret.New(f.PrivateKey), f.TokenURI}, nil
}

// token asks the definition's own token endpoint, which has to be the file's
// too: an assertion is good at its audience only.
func (a serviceKey) token(ctx context.Context, client *oauth.Client, o *provider.OAuth, scopes []string) (oauth.Token, error) {
	if a.tokenURL != "" && a.tokenURL != o.TokenURL {
		return oauth.Token{}, fmt.Errorf("%w: the key file is for another token endpoint than %s", ErrClient, o.TokenURL)
	}
	assertion, err := oauth.Assertion{Issuer: a.email, Audience: o.TokenURL, Scope: strings.Join(scopes, " ")}.Sign(a.key, time.Now())
	if err != nil {
		return oauth.Token{}, err
	}
	return client.JWTBearer(ctx, o.Server(), assertion, scopes)
}

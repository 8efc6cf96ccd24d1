package login

import (
	"authsome/internal/credential"
	"authsome/internal/oauth"
	"authsome/internal/secret"
)

// target is an authorization server, who asks it, and for what.
type target struct {
	client    *oauth.Client
	server    oauth.Server
	app       oauth.App
	scopes    []string
	resources []string
}

// target returns the definition's own server.
func (r Request) target(app oauth.App) (target, error) {
	client, err := r.Network.oauth()
	if err != nil {
		return target{}, err
	}
	o := r.Definition.OAuth
	return target{client, o.Server(), app, r.scopes(), resources(o.Resource)}, nil
}

// resources is the list of at most one resource (RFC 8707).
func resources(resource string) []string {
	if resource == "" {
		return nil
	}
	return []string{resource}
}

// result turns a token into what the caller gets.
func (t target) result(token oauth.Token, keep *Client) Result {
	return Result{
		Credential: newCredential(token), Client: keep,
		Missing: oauth.MissingScopes(t.scopes, token.Scopes), extra: token.Extra,
	}
}

func newCredential(token oauth.Token) credential.Credential {
	c := credential.Credential{
		Fields: map[string]secret.Text{credential.AccessToken: token.AccessToken},
		Scopes: token.Scopes, Expiry: token.Expiry,
	}
	if !token.RefreshToken.IsZero() {
		c.Fields[credential.RefreshToken] = token.RefreshToken
	}
	return c
}

package oauth

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"authsome/internal/secret"
)

// maxServiceAccount bounds a key file, in bytes.
const maxServiceAccount = 64 << 10

// ServiceAccount is what the key file of a service account says, in the form
// of Google: https://developers.google.com/identity/protocols/oauth2/service-account.
type ServiceAccount struct {
	Email         string
	TokenEndpoint string // "" where the file names none
	key           secret.Text
}

// ReadServiceAccount reads a key file. Errors wrap ErrKey and never quote it.
func ReadServiceAccount(file secret.Text) (ServiceAccount, error) {
	var f struct {
		Type        string `json:"type"`
		ClientEmail string `json:"client_email"`
		PrivateKey  string `json:"private_key"`
		TokenURI    string `json:"token_uri"`
	}
	text := file.Reveal()
	if len(text) > maxServiceAccount || json.Unmarshal([]byte(text), &f) != nil || f.Type != "service_account" {
		return ServiceAccount{}, fmt.Errorf("%w: it is not the key file of a service account", ErrKey)
	}
	odd := func(r rune) bool { return r <= ' ' || r > '~' }
	if f.ClientEmail == "" || len(f.ClientEmail) > 1024 || strings.ContainsFunc(f.ClientEmail, odd) || f.PrivateKey == "" {
		return ServiceAccount{}, fmt.Errorf("%w: the key file has no client_email or no private_key", ErrKey)
	}
	return ServiceAccount{f.ClientEmail, f.TokenURI, secret.New(f.PrivateKey)}, nil
}

// ServiceAccountToken trades an assertion of the account for a token. The
// file has to be for the server: an assertion is good at its audience only.
func (c *Client) ServiceAccountToken(ctx context.Context, s Server, a ServiceAccount, scopes []string) (Token, error) {
	if a.TokenEndpoint != "" && a.TokenEndpoint != s.TokenEndpoint {
		return Token{}, fmt.Errorf("%w: the key file is for another token endpoint than %s", ErrKey, s.TokenEndpoint)
	}
	assertion, err := Assertion{Issuer: a.Email, Audience: s.TokenEndpoint, Scope: strings.Join(scopes, " ")}.Sign(a.key, time.Now())
	if err != nil {
		return Token{}, err
	}
	return c.JWTBearer(ctx, s, assertion, scopes)
}

package login

import (
	"context"
	"errors"
	"fmt"

	"authsome/internal/oauth"
	"authsome/internal/provider"
	"authsome/internal/secret"
)

// Client is an OAuth client as it is kept between logins, one for a provider
// and profile. The fields after Secret are empty unless authsome registered
// the client itself (RFC 7591).
type Client struct {
	ID          string
	AuthMethod  string      // RFC 7591 token_endpoint_auth_method; "" chooses what the server takes
	RedirectURI string      // "" means the definition's
	Secret      secret.Text // for flow github_app the app's private key, PEM; for service_account the key file

	RegistrationToken     secret.Text // RFC 7592
	RegistrationURI       string      // RFC 7592
	Issuer                string      // or, where there is none, the registration endpoint: where it was registered
	TokenEndpoint         string
	RevocationEndpoint    string
	AuthorizationEndpoint string
	Resource              string // RFC 8707
}

// registered reports whether authsome registered the client, and so may
// register another in its place.
func (c *Client) registered() bool { return c != nil && c.Issuer != "" }

func (c *Client) app() oauth.App {
	return oauth.App{ClientID: c.ID, ClientSecret: c.Secret, AuthMethod: c.AuthMethod}
}

// secretNeed says whether a flow asks for a client secret.
type secretNeed int

const (
	secretUnused secretNeed = iota
	secretOptional
	secretRequired
)

// need is what a flow with a redirect asks for: clients that run on people's
// machines often have no secret, but a provider may insist.
func need(o *provider.OAuth) secretNeed {
	switch o.TokenEndpointAuthMethod {
	case oauth.AuthNone:
		return secretUnused
	case oauth.AuthBasic, oauth.AuthPost:
		return secretRequired
	}
	return secretOptional
}

// chooseClient returns the client of a login: the one given or saved, else the
// definition's public one, else the human's. The second result is the one to
// keep.
func chooseClient(ctx context.Context, req Request, need secretNeed) (use, keep *Client, err error) {
	id := req.Definition.OAuth.ClientID
	given := req.Client
	if given.registered() { // with another flow, for another server
		given = nil
	}
	switch {
	case given == nil && id != "":
		return &Client{ID: id}, nil, nil
	case given == nil:
		given = &Client{}
	case given.ID == "" && id != "":
		with := *given
		with.ID, given = id, &with
	}
	if given, err = complete(ctx, req, *given, need); err != nil {
		return nil, nil, err
	}
	return given, given, nil
}

// complete asks for what a client lacks.
func complete(ctx context.Context, req Request, c Client, need secretNeed) (*Client, error) {
	if asked := c.ID == ""; asked {
		var err error
		if c.ID, err = req.UI.Text(ctx, clientQuestion(req)); err != nil {
			return nil, unasked(req, err)
		}
		if !isClientID(c.ID) {
			return nil, fmt.Errorf("%w: the client id is empty, too long or holds other than printable ASCII", ErrClient)
		}
	} else if need == secretOptional {
		return &c, nil // whoever gave the id has said all there is
	}
	if need == secretUnused || !c.Secret.IsZero() {
		return &c, nil
	}
	var err error
	if c.Secret, err = req.UI.Secret(ctx, secretQuestion(req, need)); err != nil {
		return nil, unasked(req, err)
	}
	if need == secretRequired && c.Secret.IsZero() {
		return nil, fmt.Errorf("%w: %s wants a client secret", ErrClient, req.Definition.DisplayName)
	}
	return &c, nil
}

// isClientID accepts VSCHAR (RFC 6749 appendix A.1), and no space.
func isClientID(id string) bool {
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return false
		}
	}
	return id != "" && len(id) <= 1024
}

func clientQuestion(req Request) Question {
	q := Question{
		Provider: req.Definition.DisplayName, Label: "Client ID",
		CreateURL: req.Definition.OAuth.ClientURL, Create: "Register an OAuth app of yours",
	}
	switch req.flow() {
	case provider.FlowPKCE:
		q.Hint = "Its redirect URL is " + redirectURI(req.Definition.OAuth, req.Client)
	case provider.FlowDeviceCode:
		q.Hint = "Allow it the device flow."
	}
	return q
}

func secretQuestion(req Request, need secretNeed) Question {
	q := Question{Provider: req.Definition.DisplayName, Label: "Client secret"}
	if need == secretOptional {
		q.Optional, q.Hint = true, "Leave it empty if the app has none."
	}
	return q
}

// unasked is the error when nobody could be asked for a client: it says how
// to give one.
func unasked(req Request, err error) error {
	if errors.Is(err, ErrCancelled) {
		return err
	}
	where := ""
	if page := req.Definition.OAuth.ClientURL; page != "" {
		where = " at " + page
	}
	return fmt.Errorf("%w: register an app of yours%s and give its id with --client-id, and its secret, if it has one, with --client-secret-stdin: %w", ErrClient, where, err)
}

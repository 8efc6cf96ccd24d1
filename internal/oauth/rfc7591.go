package oauth

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"authsome/internal/secret"
)

// maxUnix is the last second of the year 9999, since 1970.
const maxUnix = 253402300799

// Registration is the metadata a client registers with (RFC 7591 section 2).
type Registration struct {
	ClientName   string
	ClientURI    string
	RedirectURIs []string // the ones really used
	GrantTypes   []string // nil means authorization_code and refresh_token
	Scopes       []string
	AuthMethod   string // "" means AuthNone: a native app keeps no secret (RFC 8252 section 8.4)
}

// Registered is a client that a server has just made (RFC 7591 section 3.2.1).
type Registered struct {
	App
	RedirectURIs            []string
	SecretExpiry            time.Time   // zero: the client secret does not expire
	RegistrationAccessToken secret.Text // RFC 7592; zero when the client can't be managed
	RegistrationClientURI   string      // RFC 7592; "" when the client can't be managed
}

// Register makes a new client. The initial access token is zero where
// registration is open.
func (c *Client) Register(ctx context.Context, s Server, r Registration, initial secret.Text) (Registered, error) {
	k := call{endpoint: "registration endpoint", url: s.RegistrationEndpoint, limit: maxToken, secrets: []secret.Text{initial}}
	if !initial.IsZero() {
		k.header = http.Header{"Authorization": {"Bearer " + initial.Reveal()}}
	}
	k.json(r.metadata())
	a, err := c.do(ctx, k)
	if err != nil {
		return Registered{}, err
	}
	made, err := c.parseRegistered(a, r, k.secrets)
	if err != nil {
		return Registered{}, fmt.Errorf("%s: %w", k.endpoint, err)
	}
	return made, nil
}

func (r Registration) authMethod() string {
	if r.AuthMethod == "" {
		return AuthNone
	}
	return r.AuthMethod
}

// metadata is the request's JSON object.
func (r Registration) metadata() any {
	grants, responses := r.GrantTypes, []string{}
	if grants == nil {
		grants = []string{"authorization_code", "refresh_token"}
	}
	if slices.Contains(grants, "authorization_code") {
		responses = []string{"code"}
	}
	return struct {
		ClientName      string   `json:"client_name,omitempty"`
		ClientURI       string   `json:"client_uri,omitempty"`
		RedirectURIs    []string `json:"redirect_uris,omitempty"`
		GrantTypes      []string `json:"grant_types"`
		ResponseTypes   []string `json:"response_types"`
		Scope           string   `json:"scope,omitempty"`
		AuthMethod      string   `json:"token_endpoint_auth_method"`
		ApplicationType string   `json:"application_type"` // of OpenID registration, where only a native app may redirect to loopback
	}{r.ClientName, r.ClientURI, r.RedirectURIs, grants, responses, Quirks{}.joinScopes(r.Scopes), r.authMethod(), "native"}
}

// parseRegistered checks that the client is the one asked for.
func (c *Client) parseRegistered(a answer, r Registration, secrets []secret.Text) (Registered, error) {
	if !a.ok() {
		return Registered{}, c.refusal(a, nil, secrets)
	}
	o, err := parseObject(a.body)
	if err != nil {
		return Registered{}, err
	}
	var made Registered
	for _, read := range []func(object) error{made.readApp, made.readRedirects, made.readManagement} {
		if err := read(o); err != nil {
			return Registered{}, err
		}
	}
	if _, err := made.method(nil); err != nil {
		return Registered{}, fmt.Errorf("%w: its authentication method does not fit its secret", ErrAnswer)
	}
	if made.RedirectURIs == nil {
		made.RedirectURIs = r.RedirectURIs
	}
	if !sameSet(made.RedirectURIs, r.RedirectURIs) {
		return Registered{}, fmt.Errorf("%w: redirect_uris are not the ones asked for", ErrAnswer)
	}
	if made.RegistrationClientURI != "" && c.CheckURL(made.RegistrationClientURI) != nil {
		return Registered{}, fmt.Errorf("%w: malformed registration_client_uri", ErrAnswer)
	}
	return made, nil
}

func (m *Registered) readApp(o object) (err error) {
	if m.ClientID, err = o.text("client_id"); err != nil {
		return err
	}
	if m.ClientID == "" || !isSecret(m.ClientID) {
		return fmt.Errorf("%w: missing or malformed client_id", ErrAnswer)
	}
	if m.ClientSecret, err = o.secret("client_secret"); err != nil {
		return err
	}
	m.AuthMethod, err = o.text("token_endpoint_auth_method")
	return err
}

func (m *Registered) readRedirects(o object) (err error) {
	m.RedirectURIs, err = o.texts("redirect_uris")
	return err
}

func (m *Registered) readManagement(o object) (err error) {
	if m.RegistrationAccessToken, err = o.secret("registration_access_token"); err != nil {
		return err
	}
	if at := o.seconds("client_secret_expires_at"); at >= 1 { // since 1970; 0 for never
		m.SecretExpiry = time.Unix(int64(min(at, maxUnix)), 0)
	}
	m.RegistrationClientURI, err = o.text("registration_client_uri")
	return err
}

// sameSet compares without regard to order.
func sameSet(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}

package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"authsome/internal/credential"
	"authsome/internal/login"
	"authsome/internal/provider"
	"authsome/internal/secret"
	"authsome/internal/vault"
)

const clientPrefix = "client/"

// clientKey names the one client of a provider. Each installation of a
// self-hosted service has its own: its secret is no business of another.
func clientKey(def *provider.Definition) string {
	if def.BaseURL == "" {
		return clientPrefix + def.Name
	}
	return clientPrefix + def.Name + "/" + def.BaseURL
}

// clientRecord is an OAuth client inside the vault.
type clientRecord struct {
	Version               int             `json:"version"`
	ID                    string          `json:"id"`
	AuthMethod            string          `json:"auth_method,omitempty"`
	RedirectURI           string          `json:"redirect_uri,omitempty"`
	RegistrationURI       string          `json:"registration_uri,omitempty"`
	Issuer                string          `json:"issuer,omitempty"`
	TokenEndpoint         string          `json:"token_endpoint,omitempty"`
	RevocationEndpoint    string          `json:"revocation_endpoint,omitempty"`
	AuthorizationEndpoint string          `json:"authorization_endpoint,omitempty"`
	Resource              string          `json:"resource,omitempty"`
	Endpoints             []string        `json:"endpoints,omitempty"` // that may learn the secret
	Secret                json.RawMessage `json:"secret"`              // a credential, as is
	RegistrationToken     json.RawMessage `json:"registration_token"`  // this
}

func encodeClient(c *login.Client, endpoints []string) ([]byte, error) {
	word, err := encodeSecret(credential.ClientSecret, c.Secret)
	if err != nil {
		return nil, err
	}
	token, err := encodeSecret(credential.AccessToken, c.RegistrationToken)
	if err != nil {
		return nil, err
	}
	return json.Marshal(clientRecord{
		Version: recordVersion, ID: c.ID, AuthMethod: c.AuthMethod, RedirectURI: c.RedirectURI,
		RegistrationURI: c.RegistrationURI, Issuer: c.Issuer, TokenEndpoint: c.TokenEndpoint,
		RevocationEndpoint: c.RevocationEndpoint, AuthorizationEndpoint: c.AuthorizationEndpoint, Resource: c.Resource,
		Endpoints: endpoints, Secret: word, RegistrationToken: token,
	})
}

// decodeClient is the inverse of encodeClient. Its errors never quote the
// content.
func decodeClient(data []byte) (*login.Client, []string, error) {
	var r clientRecord
	if err := unmarshal(data, &r); err != nil || r.Version != recordVersion {
		return nil, nil, ErrRecord
	}
	word, err := credential.Decode(r.Secret)
	if err != nil {
		return nil, nil, err
	}
	token, err := credential.Decode(r.RegistrationToken)
	if err != nil {
		return nil, nil, err
	}
	return &login.Client{
		ID: r.ID, AuthMethod: r.AuthMethod, RedirectURI: r.RedirectURI, Secret: word.Field(credential.ClientSecret),
		RegistrationToken: token.Field(credential.AccessToken), RegistrationURI: r.RegistrationURI, Issuer: r.Issuer,
		TokenEndpoint: r.TokenEndpoint, RevocationEndpoint: r.RevocationEndpoint,
		AuthorizationEndpoint: r.AuthorizationEndpoint, Resource: r.Resource,
	}, r.Endpoints, nil
}

func encodeSecret(field string, value secret.Text) ([]byte, error) {
	c := credential.Credential{Fields: map[string]secret.Text{}}
	if !value.IsZero() {
		c.Fields[field] = value
	}
	return credential.Encode(c)
}

// Client returns the OAuth client that is kept for a definition with its base
// URL resolved, or nil when there is none. One whose secret was given for
// other endpoints than the definition has today is none: an edited definition
// must not draw it elsewhere.
func (b *Broker) Client(ctx context.Context, def *provider.Definition) (*login.Client, error) {
	data, err := b.get(ctx, clientKey(def))
	if errors.Is(err, vault.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("client of %s: %w", def.Name, err)
	}
	client, endpoints, err := decodeClient(data)
	if err != nil {
		return nil, fmt.Errorf("client of %s: %w", def.Name, err)
	}
	if o := def.OAuth; o != nil && unbound(endpoints, append(renewalEndpoints(o), o.DeviceAuthorizationURL)) != "" {
		return nil, nil
	}
	return client, nil
}

// SaveClient keeps the OAuth client of a definition for later logins.
func (b *Broker) SaveClient(ctx context.Context, def *provider.Definition, c *login.Client) error {
	data, err := encodeClient(c, endpoints(def))
	if err != nil {
		return err
	}
	if err := b.put(ctx, clientKey(def), data); err != nil {
		return fmt.Errorf("client of %s: %w", def.Name, err)
	}
	return nil
}

// clientOf returns the client of a connection, with its secret of today: a
// login may have brought a new one for the same client.
func (b *Broker) clientOf(ctx context.Context, def *provider.Definition, c Connection) *login.Client {
	saved, err := b.Client(ctx, def)
	if err != nil || saved == nil || c.Client == nil || saved.ID != c.Client.ID || saved.Issuer != c.Client.Issuer {
		return c.Client
	}
	client := *c.Client
	client.Secret, client.AuthMethod = saved.Secret, saved.AuthMethod
	return &client
}

// forgetClients removes every client of a provider.
func (b *Broker) forgetClients(ctx context.Context, provider string) error {
	v, err := b.opened(ctx)
	if err != nil || v == nil {
		return err
	}
	records, _ := v.List(ctx, b.config.Profile, clientPrefix+provider+"/") // damaged ones are told of by Connections
	errs := []error{b.remove(ctx, clientPrefix+provider)}
	for _, r := range records {
		errs = append(errs, b.remove(ctx, r.Key))
	}
	return errors.Join(errs...)
}

// endpoints returns the URLs of a definition that tokens and client secrets go
// to.
func endpoints(def *provider.Definition) []string {
	o := def.OAuth
	if o == nil {
		return nil
	}
	all := append(renewalEndpoints(o), o.DeviceAuthorizationURL)
	all = append(all, revocationEndpoints(o)...)
	return slices.DeleteFunc(all, func(u string) bool { return u == "" })
}

func renewalEndpoints(o *provider.OAuth) []string {
	return []string{o.TokenURL, o.InstallationTokenURL}
}

func revocationEndpoints(o *provider.OAuth) []string {
	if o.Revocation != nil {
		return []string{o.RevocationURL, o.Revocation.URL}
	}
	return []string{o.RevocationURL}
}

// unbound returns the first URL that is not among the known, or "".
func unbound(known, urls []string) string {
	for _, u := range urls {
		if u != "" && !slices.Contains(known, u) {
			return u
		}
	}
	return ""
}

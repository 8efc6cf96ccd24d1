package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"authsome/internal/audit"
	"authsome/internal/credential"
	"authsome/internal/login"
	"authsome/internal/provider"
	"authsome/internal/secret"
)

// Errors of Import.
var (
	ErrUnfit = errors.New("does not fit the provider's definition") // the credential can't be of use with it
	ErrKept  = errors.New("another credential is there already")    // and was left as it is
)

// detailImport marks the audit line of a connection that was carried over.
const detailImport = "import"

// Import is a connection that another program has made.
type Import struct {
	Provider, Name string
	BaseURL        string   // "" is the definition's
	Hosts          []string // host rules it was made for; nil: not known
	Key            secret.Text
	AccessToken    secret.Text // in place of Key
	RefreshToken   secret.Text
	Scopes         []string
	ExpiresAt      time.Time
	ObtainedAt     time.Time     // zero: now
	Client         *login.Client // that the tokens were given to; nil: none
	Private        func(ctx context.Context, host string) bool
	Force          bool // replace another credential
	DryRun         bool // find out what would happen
}

// Imported is what came of an Import.
type Imported struct {
	Connection Connection
	Already    bool     // it is there
	Notes      []string // what the user should know
}

// Import keeps a connection as if it had been logged in: all of it or nothing.
// It is bound to the hosts and endpoints of the definition, of a custom one to
// those among them that it was made for.
func (b *Broker) Import(ctx context.Context, in Import) (Imported, error) {
	if err := CheckName(in.Name); err != nil {
		return Imported{}, err
	}
	def, baseURL, err := b.resolveImport(in)
	if err != nil {
		return Imported{}, err
	}
	out := Imported{Connection: Connection{
		Provider: def.Name, Name: in.Name, AuthType: def.AuthType, BaseURL: baseURL, Endpoints: endpoints(def),
		Private: LoginRequest{BaseURL: baseURL, Private: in.Private}.private(ctx, def), ObtainedAt: in.ObtainedAt,
	}}
	if in.ObtainedAt.IsZero() {
		out.Connection.ObtainedAt = now()
	}
	if out.Connection.Hosts, err = importedHosts(def, in.Hosts); err != nil {
		return out, err
	}
	if err := out.credential(def, in); err != nil {
		return out, err
	}
	return b.keepImport(ctx, def, in, out)
}

// resolveImport finds the definition. A base URL that changes nothing is none.
func (b *Broker) resolveImport(in Import) (*provider.Definition, string, error) {
	base, err := b.config.Catalog.Get(in.Provider)
	if err != nil {
		return nil, "", err
	}
	plain, plainErr := base.Resolve("")
	if in.BaseURL == "" {
		return plain, "", plainErr
	}
	def, err := base.Resolve(in.BaseURL)
	if err != nil {
		if plainErr == nil && errors.Is(err, provider.ErrBaseURL) && !base.NeedsBaseURL() {
			return plain, "", nil
		}
		return nil, "", err
	}
	if plainErr == nil && sameSet(ruleNames(def), ruleNames(plain)) && sameSet(endpoints(def), endpoints(plain)) {
		return plain, "", nil
	}
	return def, in.BaseURL, nil
}

// importedHosts are the rules a credential is bound to. A bundled definition
// names the vendor's own hosts; a custom one may have been edited since.
func importedHosts(def *provider.Definition, made []string) ([]string, error) {
	rules := ruleNames(def)
	if def.Source != provider.Custom || made == nil {
		return rules, nil
	}
	var meant []string
	for _, host := range made {
		rule, err := provider.ParseRule(host)
		if err != nil {
			return nil, fmt.Errorf("%w: its host: %w", ErrUnfit, err)
		}
		meant = append(meant, rule.String())
	}
	rules = slices.DeleteFunc(rules, func(rule string) bool { return !slices.Contains(meant, rule) })
	if len(rules) == 0 {
		return nil, fmt.Errorf("%w: it was made for %s, which the definition no longer claims", ErrUnfit, joinNames(meant))
	}
	return rules, nil
}

// credential puts the secrets into the fields that the definition has.
func (i *Imported) credential(def *provider.Definition, in Import) error {
	c := &i.Connection
	c.Flow = provider.FlowAPIKey
	c.Credential = credential.Credential{Fields: map[string]secret.Text{}, Scopes: in.Scopes, Expiry: in.ExpiresAt}
	needed := login.KeyFields(def)
	key := in.Key
	switch {
	case !in.AccessToken.IsZero() && def.AuthType == provider.AuthOAuth2:
		c.Flow = def.Flow
		c.Client = in.Client
		c.Credential.Fields[credential.AccessToken] = in.AccessToken
		if !in.RefreshToken.IsZero() {
			c.Credential.Fields[credential.RefreshToken] = in.RefreshToken
		} else if def.Flow != provider.FlowClientCredentials {
			c.Flow = provider.FlowAPIKey
		}
		key = in.AccessToken
	case key.IsZero():
		key = in.AccessToken
		if !in.RefreshToken.IsZero() {
			i.Notes = append(i.Notes, "the provider takes keys here: the access token is used as one, and not refreshed")
		}
	}
	switch {
	case key.IsZero():
		return fmt.Errorf("%w: it has no key or token", ErrUnfit)
	case len(needed) != 1:
		return fmt.Errorf("%w: %s needs %s, and there is one value", ErrUnfit, def.Name, joinNames(needed))
	case !slices.Contains(needed, credential.AccessToken) || c.Flow == provider.FlowAPIKey:
		c.Credential.Fields[needed[0]] = key
	}
	if def.APIKey != nil && c.Flow == provider.FlowAPIKey && !credential.Matches(def.APIKey.Pattern, key) {
		i.Notes = append(i.Notes, "it does not look like a key of "+def.DisplayName)
	}
	if err := c.Credential.Validate(); err != nil {
		return fmt.Errorf("%w: %w", ErrUnfit, err)
	}
	return nil
}

// keepImport writes the connection, unless there is one of its name.
func (b *Broker) keepImport(ctx context.Context, def *provider.Definition, in Import, out Imported) (Imported, error) {
	stored, err := b.named(ctx, def.Name, in.Name)
	var missing *NotConnected
	switch {
	case errors.As(err, &missing) || isDamage(err) && in.Force:
	case err != nil:
		return out, err
	case stored.Source == nil && sameSecrets(stored.Credential, out.Connection.Credential):
		out.Already = true
		return out, nil
	case !in.Force:
		return out, fmt.Errorf("%s: %w", stored, ErrKept)
	}
	if in.DryRun {
		return out, nil
	}
	data, err := encodeConnection(out.Connection)
	if err != nil {
		return out, err
	}
	entry := audit.Entry{Event: audit.Login, Provider: def.Name, Connection: in.Name, Detail: detailImport}
	if err := b.record(entry); err != nil {
		return out, err
	}
	return out, b.putNew(ctx, out.Connection, data, in.Force)
}

// putNew writes a connection, unless another process was quicker.
func (b *Broker) putNew(ctx context.Context, c Connection, data []byte, force bool) error {
	key := connectionKey(c.Provider, c.Name)
	if force {
		return b.put(ctx, key, data)
	}
	v, err := b.openWith(ctx, b.config.Create)
	if err != nil {
		return err
	}
	return v.Update(ctx, b.config.Profile, key, func(old []byte) ([]byte, error) {
		if old == nil {
			return data, nil
		}
		if stored, err := decodeConnection(key, old); err != nil || !sameSecrets(stored.Credential, c.Credential) {
			return old, errors.Join(err, fmt.Errorf("%s: %w", c, ErrKept))
		}
		return old, nil
	})
}

// ImportClient keeps an OAuth client for later logins, unless there is one. It
// reports whether that is so.
func (b *Broker) ImportClient(ctx context.Context, providerName, baseURL string, c *login.Client, dryRun bool) (already bool, err error) {
	def, _, err := b.resolveImport(Import{Provider: providerName, BaseURL: baseURL})
	if err != nil {
		return false, err
	}
	if def.OAuth == nil {
		return false, fmt.Errorf("%w: %s has no OAuth", ErrUnfit, def.Name)
	}
	saved, err := b.Client(ctx, def)
	switch {
	case err != nil:
		return false, err
	case saved != nil && saved.ID == c.ID && saved.Secret.Equal(c.Secret):
		return true, nil
	case saved != nil:
		return false, fmt.Errorf("client of %s: %w", def.Name, ErrKept)
	case dryRun:
		return false, nil
	}
	if err := b.record(audit.Entry{Event: audit.Login, Provider: def.Name, Detail: detailImport + " of the OAuth client"}); err != nil {
		return false, err
	}
	return false, b.SaveClient(ctx, def, c)
}

package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"authsome/internal/audit"
	"authsome/internal/login"
	"authsome/internal/provider"
	"authsome/internal/secret"
)

// LoginRequest says what to obtain.
type LoginRequest struct {
	Provider     string
	Name         string // "" means DefaultName
	Flow         string // "" means the definition's
	BaseURL      string // "" means the definition's
	Scopes       []string
	Client       *login.Client          // nil means the one that is kept, if any
	Installation string                 // as in login.Request
	Force        bool                   // log in even though there is a good connection
	UI           login.UI               // whom to ask
	Given        map[string]secret.Text // by field, for flow api_key: nobody is asked
	Source       *Source                // where they are fetched from at every use, in place of Given; its Fields are set here

	// Private reports whether a host has an address that is not on the public
	// internet. It is asked about the hosts that the user named: the exact
	// ones of a base URL or of a definition of their own. Nil: none has.
	Private func(ctx context.Context, host string) bool
}

// LoginResult says what came of it.
type LoginResult struct {
	Connection Connection
	Already    bool     // there was a good connection; nothing was contacted or asked
	Missing    []string // scopes asked for and not granted
}

// Login obtains a credential and keeps it, with the OAuth client it was given
// to. A failure leaves whatever was there before.
func (b *Broker) Login(ctx context.Context, req LoginRequest) (LoginResult, error) {
	if req.Name == "" {
		req.Name = DefaultName
	}
	if err := CheckName(req.Name); err != nil {
		return LoginResult{}, err
	}
	base, err := b.config.Catalog.Get(req.Provider)
	if err != nil {
		return LoginResult{}, err
	}
	def, err := base.Resolve(req.BaseURL)
	if err != nil {
		return LoginResult{}, err
	}
	// A vault that does not open is found before anybody is asked for a key.
	if _, err := b.opened(ctx); err != nil {
		return LoginResult{}, err
	}
	if existing, ok, err := b.usable(ctx, def, req); err != nil || ok {
		return LoginResult{Connection: existing, Already: true}, err
	}
	return b.obtain(ctx, def, req)
}

// obtain runs the flow and keeps what it brings.
func (b *Broker) obtain(ctx context.Context, def *provider.Definition, req LoginRequest) (LoginResult, error) {
	client := req.Client
	if client == nil {
		var err error
		if client, err = b.Client(ctx, def); err != nil && !isDamage(err) {
			return LoginResult{}, err
		}
	}
	given, source, err := b.given(ctx, def, req)
	if err != nil {
		return LoginResult{}, fmt.Errorf("%s/%s: %w: %w", def.Name, req.Name, login.ErrRejected, err)
	}
	result, err := login.Run(ctx, login.Request{
		Definition: def, Flow: req.Flow, Scopes: req.Scopes, UI: req.UI,
		Network: b.config.Network, Client: client, Installation: req.Installation, Given: given,
	})
	if err != nil {
		return LoginResult{}, fmt.Errorf("%s/%s: %w", def.Name, req.Name, err)
	}
	c := Connection{
		Provider: def.Name, Name: req.Name, AuthType: def.AuthType, Flow: result.Flow, Installation: req.Installation,
		BaseURL: req.BaseURL, Hosts: ruleNames(def), Endpoints: endpoints(def), Private: req.private(ctx, def), Account: result.Account, Asked: req.Scopes,
		ObtainedAt: now(), Source: source, Client: result.Client, Credential: result.Credential,
	}
	if c.Policy, err = b.keptPolicy(ctx, c.Provider, c.Name); err != nil {
		return LoginResult{}, err
	}
	if err := b.save(ctx, c); err != nil {
		return LoginResult{}, err
	}
	// A service account is no client for other logins.
	if result.Client != nil && result.Flow != provider.FlowServiceAccount {
		err = b.SaveClient(ctx, def, result.Client)
	}
	return LoginResult{Connection: c, Missing: result.Missing}, err
}

// private returns the hosts that the user named and that are not on the public
// internet. A bundled definition's hosts and whole domains are never among
// them: nobody meant a host inside.
func (req LoginRequest) private(ctx context.Context, def *provider.Definition) []string {
	var hosts []string
	if req.Private == nil || req.BaseURL == "" && def.Source != provider.Custom {
		return nil
	}
	for _, rule := range def.Rules {
		if rule.Kind == provider.Exact && !slices.Contains(hosts, rule.Host) && req.Private(ctx, rule.Host) {
			hosts = append(hosts, rule.Host)
		}
	}
	return hosts
}

// usable returns the connection that makes a login needless: it is good, of
// the same base URL and scopes, and bound to the hosts the definition claims
// today.
func (b *Broker) usable(ctx context.Context, def *provider.Definition, req LoginRequest) (Connection, bool, error) {
	if req.Force {
		return Connection{}, false, nil
	}
	c, err := b.named(ctx, req.Provider, req.Name)
	var missing *NotConnected
	if errors.As(err, &missing) || isDamage(err) {
		return Connection{}, false, nil
	}
	if err != nil {
		return Connection{}, false, err
	}
	same := c.Status(now()) == Connected &&
		(req.Source == nil || req.Source.same(c.Source)) &&
		(req.BaseURL == "" || req.BaseURL == c.BaseURL) &&
		(req.Scopes == nil || sameSet(req.Scopes, c.Asked) || sameSet(req.Scopes, c.Credential.Scopes)) &&
		sameSet(ruleNames(def), c.Hosts)
	return c, same, nil
}

func (b *Broker) save(ctx context.Context, c Connection) error {
	data, err := encodeConnection(c)
	if err != nil {
		return err
	}
	if err := b.record(audit.Entry{Event: audit.Login, Provider: c.Provider, Connection: c.Name}); err != nil {
		return err
	}
	if err := b.put(ctx, connectionKey(c.Provider, c.Name), data); err != nil {
		return fmt.Errorf("%s: %w", c, err)
	}
	return nil
}

// ruleNames returns the host rules of a definition as they are written.
func ruleNames(def *provider.Definition) []string {
	names := make([]string, 0, len(def.Rules))
	for _, rule := range def.Rules {
		names = append(names, rule.String())
	}
	return names
}

func sameSet(a, b []string) bool {
	in := make(map[string]bool, len(a))
	for _, s := range a {
		in[s] = true
	}
	for _, s := range b {
		if !in[s] {
			return false
		}
		delete(in, s)
	}
	return len(in) == 0
}

func joinNames(names []string) string { return strings.Join(names, ", ") }

package broker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"authsome/internal/audit"
	"authsome/internal/credential"
	"authsome/internal/login"
	"authsome/internal/provider"
)

const (
	// early is how long before its expiry an access token is renewed. For one
	// that lives less than twice that, it is half of its life.
	early = 300 * time.Second
	// patience is how long a caller waits, and how long an attempt may take.
	patience = 30 * time.Second
)

// eventRefresh is the audit log's word for an attempt and for its failure.
const eventRefresh = "refresh"

// granted reports whether the credential was obtained from an authorization
// server, not handed over by the user.
func (c Connection) granted() bool {
	return c.AuthType == provider.AuthOAuth2 && c.Flow != provider.FlowAPIKey
}

// refreshable reports whether a fresh credential can be had without a human.
func (c Connection) refreshable() bool {
	return c.granted() && (!c.Credential.Field(credential.RefreshToken).IsZero() || unattended(c.Flow))
}

// unattended reports whether a flow needs no human at all.
func unattended(flow string) bool {
	return flow == provider.FlowClientCredentials || flow == login.FlowGitHubApp || flow == provider.FlowServiceAccount
}

// issued returns when the access token was obtained.
func (c Connection) issued() time.Time {
	if c.RefreshedAt.IsZero() {
		return c.ObtainedAt
	}
	return c.RefreshedAt
}

// stale reports whether the access token should be renewed before it is used.
func (c Connection) stale(at time.Time) bool {
	expiry := c.Credential.Expiry
	window := min(early, max(0, expiry.Sub(c.issued())/2))
	return !expiry.IsZero() && !at.Before(expiry.Add(-window))
}

// good reports whether c can be used as it is, and needs no renewal yet.
func (c *Connection) good(at time.Time) bool {
	return c.Source == nil && c.Status(at) != Expired && (!c.refreshable() || !c.stale(at))
}

// generation tells a credential from the one before and the one after it. It
// is a hash, which tells nothing of a token.
func (c Connection) generation() string {
	data, _ := credential.Encode(c.Credential) // what was decoded can be encoded
	sum := sha256.Sum256(append(c.issued().UTC().AppendFormat(nil, time.RFC3339Nano), data...))
	return hex.EncodeToString(sum[:])
}

// Fresh returns c with a credential that is good now. One that is far from its
// expiry is returned as it is. One that is near it is returned as it is too,
// and renewed in the background. For one that is past it the caller waits, no
// longer than ctx and 30 seconds, for the one refresh that happens machine-wide.
// The error is a *Denied.
func (b *Broker) Fresh(ctx context.Context, c Connection) (Connection, error) {
	return b.fresh(ctx, c, false)
}

// fresh is Fresh; patient callers prefer a renewed credential to one that is
// near its expiry, but take that too.
func (b *Broker) fresh(ctx context.Context, c Connection, patient bool) (Connection, error) {
	if c.Source != nil {
		return b.sourced(ctx, c)
	}
	at := now()
	if c.good(at) {
		return c, nil
	}
	if c.Status(at) == Expired {
		return c, expired(c)
	}
	past := c.Credential.Expired(at)
	f := b.refresh(c, past)
	if !past && !patient {
		return c, nil
	}
	got, err := f.wait(ctx, c)
	var denied *Denied
	if errors.As(err, &denied) && denied.Code == CodeRefresh && !past {
		return c, nil
	}
	return got, err
}

// replaced returns the credential that takes the place of one the API has
// refused: another process may have renewed it, else it is renewed. One that
// is younger than a minute is not: a further one would be refused as well.
func (b *Broker) replaced(ctx context.Context, c Connection) (Connection, error) {
	if c.Source != nil {
		return b.refetched(ctx, c)
	}
	stored, err := b.named(ctx, c.Provider, c.Name)
	if err != nil {
		return c, b.denial(c, err)
	}
	if stored.generation() != c.generation() {
		return b.Fresh(ctx, stored)
	}
	at := now()
	if stored.Status(at) == Expired {
		return stored, expired(stored)
	}
	if age := at.Sub(stored.issued()); age >= 0 && age < pause {
		return stored, nil
	}
	return b.refresh(stored, true).wait(ctx, stored)
}

// fresh is Broker.Fresh, after which the snapshot is not to be trusted.
func (s *Session) fresh(ctx context.Context, c *Connection) (*Connection, *Denied) {
	if c.good(now()) {
		return c, nil
	}
	got, err := s.broker.Fresh(ctx, *c)
	if denied, ok := errors.AsType[*Denied](err); ok {
		return c, denied
	}
	if c.Source == nil && !got.same(*c) {
		s.distrust()
	}
	return &got, nil
}

// Rejected says that the API answered 401 to a request with u's credential.
// It has the credential replaced, once whatever the number of requests that
// were refused, and reports whether there is another one to send the request
// again with. It waits for that no longer than ctx and 30 seconds.
func (s *Session) Rejected(ctx context.Context, u Use) (again bool) {
	if !u.Renewable() {
		return false
	}
	got, err := s.broker.replaced(ctx, *u.connection)
	s.distrust()
	return err == nil && !sameSecrets(got.Credential, u.connection.Credential)
}

// refresh joins or starts the renewal of a credential. Urgent ones do not wait
// for the back-off of those that are made in time.
func (b *Broker) refresh(c Connection, urgent bool) *flight {
	return b.refreshes.start(c, urgent, func(ctx context.Context) (Connection, *intent, error) {
		r := renewal{broker: b, wanted: c, urgent: urgent, got: c}
		return r.run(ctx)
	})
}

// renewal is one attempt to renew one credential.
type renewal struct {
	broker *Broker
	wanted Connection // as the caller knew it
	urgent bool

	before string     // generation of the stored credential
	got    Connection // as it is in the end
	intent *intent    // when the next attempt may be
	err    error      // what to tell, although got is to be kept
}

// run renews the credential if that is still needed, with the record locked
// against everyone else on the machine, and commits it before anyone sees it.
func (r *renewal) run(ctx context.Context) (Connection, *intent, error) {
	c, b := r.wanted, r.broker
	stored, err := b.named(ctx, c.Provider, c.Name)
	if err != nil {
		return c, nil, b.denial(c, err)
	}
	if !r.due(stored) {
		return stored, nil, notExpired(stored)
	}
	v, err := b.opened(ctx)
	if err != nil {
		return c, nil, b.denial(c, err)
	}
	// The limit is for the lock: once it is held, the attempt has its own.
	lock, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	key := connectionKey(c.Provider, c.Name)
	err = v.Update(lock, b.config.Profile, key, func(old []byte) ([]byte, error) { return r.update(ctx, key, old) })
	if err != nil {
		return r.uncommitted(err)
	}
	b.refreshes.saved(r.before)
	return r.got, r.intent, r.err
}

// due reports whether a stored connection is still to be renewed.
func (r *renewal) due(stored Connection) bool {
	at := now()
	return stored.Status(at) == Connected && (stored.stale(at) || stored.generation() == r.wanted.generation())
}

// update returns the record to keep in place of old.
func (r *renewal) update(ctx context.Context, key string, old []byte) ([]byte, error) {
	if old == nil {
		r.err = loggedOut(r.wanted)
		return nil, nil
	}
	stored, err := decodeConnection(key, old)
	if err != nil {
		return nil, err
	}
	r.got = stored
	if !r.due(stored) {
		r.err = notExpired(stored)
		return old, nil
	}
	r.before = stored.generation()
	if unsaved, ok := r.broker.refreshes.unsaved(r.before); ok {
		r.got = unsaved
	} else if r.err = r.attempt(ctx); r.got.same(stored) {
		return old, nil
	}
	return encodeConnection(r.got)
}

// same reports whether two states of a connection need no writing.
func (c Connection) same(other Connection) bool {
	return c.RefreshedAt.Equal(other.RefreshedAt) && c.RejectedAt.Equal(other.RejectedAt)
}

// attempt asks the authorization server once. It sets what is to be kept in
// r.got and returns what is to be told.
func (r *renewal) attempt(ctx context.Context) error {
	b, c := r.broker, r.got
	grant, denied := b.grant(ctx, c)
	if denied != nil {
		return denied
	}
	in, err := b.beginIntent(ctx, c, r.urgent)
	switch {
	case errors.Is(err, errLost):
		r.got.RejectedAt = now()
		return r.failed(expired(r.got), err)
	case errors.Is(err, errTooSoon):
		r.intent = &in
		return refreshFailed(c, err)
	case err != nil:
		return b.denial(c, err)
	}
	if err := b.record(audit.Entry{Event: eventRefresh, Provider: c.Provider, Connection: c.Name, Decision: audit.Allow}); err != nil {
		_ = b.endIntent(ctx, c, &in)
		return b.denial(c, err)
	}
	return r.ask(ctx, grant, in)
}

// ask sends the request and sorts its outcomes.
func (r *renewal) ask(ctx context.Context, grant login.Grant, in intent) error {
	b, c := r.broker, r.got
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cred, err := login.Refresh(limited, grant)
	switch {
	case err == nil:
		r.got.Credential, r.got.RefreshedAt = cred, now()
		return nil
	case errors.Is(err, login.ErrGrant), errors.Is(err, login.ErrNoRefresh):
		r.got.RejectedAt = now()
		return r.failed(expired(r.got), err)
	}
	// It is not known whether the server has rotated. There is nothing but the
	// old refresh token to try again with, later.
	r.intent = &in
	if ended := b.endIntent(context.WithoutCancel(ctx), c, &in); ended != nil {
		err = errors.Join(err, ended)
	}
	return r.failed(refreshFailed(c, err), err)
}

// failed writes a failure down, which changes nothing about it.
func (r *renewal) failed(d *Denied, err error) error {
	_ = r.broker.record(audit.Entry{
		Event: eventRefresh, Provider: d.Provider, Connection: d.Connection,
		Decision: audit.Deny, Reason: string(d.Code), Detail: err.Error(),
	})
	return d
}

// uncommitted is for a record that could not be read or written. New tokens
// that are here and nowhere else are kept for the next attempt, which must not
// use the old refresh token a second time.
func (r *renewal) uncommitted(err error) (Connection, *intent, error) {
	if r.before != "" && r.err == nil {
		r.broker.refreshes.keep(r.before, r.got)
	}
	return r.wanted, nil, r.broker.denial(r.wanted, err)
}

// grant returns what it takes to refresh or revoke c.
func (b *Broker) grant(ctx context.Context, c Connection) (login.Grant, *Denied) {
	def, err := b.config.Catalog.Get(c.Provider)
	if err == nil {
		def, err = def.Resolve(c.BaseURL)
	}
	if err != nil {
		return login.Grant{}, &Denied{CodeChanged, c.Provider, c.Name, err.Error(), loginCommand(c.Provider, c.Name, true)}
	}
	if def.OAuth == nil {
		return login.Grant{}, endpointChanged(c, "no OAuth endpoints")
	}
	if u := unbound(c.Endpoints, renewalEndpoints(def.OAuth)); u != "" {
		return login.Grant{}, endpointChanged(c, "the token endpoint "+u)
	}
	return login.Grant{
		Definition: def, Client: b.clientOf(ctx, def, c), Credential: c.Credential, Network: b.config.Network,
		Flow: c.Flow, Installation: c.Installation,
	}, nil
}

func endpointChanged(c Connection, what string) *Denied {
	return &Denied{CodeChanged, c.Provider, c.Name, "the provider's definition now has " + what + ", which the credential was not logged in for", loginCommand(c.Provider, c.Name, true)}
}

func refreshFailed(c Connection, err error) *Denied {
	return &Denied{CodeRefresh, c.Provider, c.Name, "refresh: " + err.Error(), loginCommand(c.Provider, c.Name, true)}
}

func loggedOut(c Connection) *Denied {
	return &Denied{CodeNotConnected, c.Provider, c.Name, "it was logged out", loginCommand(c.Provider, c.Name, false)}
}

// notExpired returns why a connection can't be used, nil when it can.
func notExpired(c Connection) error {
	if c.Status(now()) == Expired {
		return expired(c)
	}
	return nil
}

// denial puts an error of vault or audit log into a caller's terms.
func (b *Broker) denial(c Connection, err error) error {
	var missing *NotConnected
	switch {
	case errors.As(err, &missing):
		return loggedOut(c)
	case errors.Is(err, ErrAudit):
		return &Denied{CodeAudit, c.Provider, c.Name, err.Error(), "authsome doctor"}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return refreshFailed(c, err)
	}
	return &Denied{CodeVault, c.Provider, c.Name, fmt.Sprintf("the vault can't be used: %v", err), "authsome doctor"}
}

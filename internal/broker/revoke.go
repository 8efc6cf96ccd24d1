package broker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"authsome/internal/audit"
	"authsome/internal/login"
	"authsome/internal/vault"
)

// farewellRemote is how long the servers may take to revoke, all together.
const farewellRemote = 30 * time.Second

// RemoteError says that connections are forgotten here, and that their tokens
// may still be good at the server.
type RemoteError struct {
	Err         error
	Unsupported bool // nothing failed: the providers have no way to revoke
}

func (e *RemoteError) Error() string { return "revoke at the server: " + e.Err.Error() }

// Unwrap returns what went wrong.
func (e *RemoteError) Unwrap() error { return e.Err }

// Logout forgets one connection and revokes its tokens at the server, where
// that can be done; name "" means the default. When it fails with a
// *RemoteError the connection is forgotten nevertheless. One that is damaged
// can be forgotten by its name.
func (b *Broker) Logout(ctx context.Context, provider, name string) (Connection, error) {
	c, err := b.Forget(ctx, provider, name)
	if err != nil {
		return c, err
	}
	return c, b.revokeRemote(ctx, c)
}

// Forget is Logout without a word to the server.
func (b *Broker) Forget(ctx context.Context, provider, name string) (Connection, error) {
	c, err := b.Connection(ctx, provider, name)
	if name != "" && isDamage(err) {
		c, err = Connection{Provider: provider, Name: name}, nil
	}
	if err != nil {
		return Connection{}, err
	}
	return b.forget(ctx, audit.Logout, c)
}

// isDamage reports whether a record is lost, so that forgetting or replacing
// it loses nothing. A record of a newer version is not.
func isDamage(err error) bool {
	return errors.Is(err, vault.ErrDamaged) || errors.Is(err, vault.ErrSwapped)
}

// forget removes a connection and returns it as it was then. It waits for a
// refresh that is under way, whose outcome is what has to be revoked.
func (b *Broker) forget(ctx context.Context, event string, c Connection) (Connection, error) {
	if err := b.record(audit.Entry{Event: event, Provider: c.Provider, Connection: c.Name}); err != nil {
		return c, err
	}
	v, err := b.opened(ctx)
	if err != nil || v == nil {
		return c, err
	}
	key := connectionKey(c.Provider, c.Name)
	err = v.Update(ctx, b.config.Profile, key, func(old []byte) ([]byte, error) {
		if last, err := decodeConnection(key, old); err == nil {
			c = last
		}
		return nil, nil
	})
	if isDamage(err) {
		err = b.remove(ctx, key)
	}
	if err != nil {
		return c, err
	}
	return c, b.remove(ctx, intentKey(c))
}

// Revoke forgets every connection of a provider, its OAuth clients and its
// chosen default, and revokes at the server what it can. It returns the
// connections it forgot. Damaged records, which could be any provider's, do
// not keep it from forgetting the others; the error names them. A *RemoteError
// is as with Logout.
func (b *Broker) Revoke(ctx context.Context, provider string) ([]Connection, error) {
	all, damage := b.Connections(ctx)
	if damage != nil && !isDamage(damage) {
		return nil, damage
	}
	var gone []Connection
	for _, c := range all {
		if c.Provider != provider {
			continue
		}
		c, err := b.forget(ctx, audit.Revoke, c)
		if err != nil {
			return gone, err
		}
		gone = append(gone, c)
	}
	remote := b.revokeRemote(ctx, gone...)
	return gone, errors.Join(damage, b.forgetClients(ctx, provider), b.remove(ctx, defaultKey(provider)), remote)
}

// revokeRemote makes the tokens of connections worthless at their servers. The
// error is a *RemoteError, also when a provider has no way to do it.
func (b *Broker) revokeRemote(ctx context.Context, gone ...Connection) error {
	ctx, cancel := context.WithTimeout(ctx, farewellRemote)
	defer cancel()
	var errs []error
	unsupported := true
	for _, c := range gone {
		if err := b.revokeOne(ctx, c); err != nil {
			unsupported = unsupported && errors.Is(err, login.ErrNoRevocation)
			errs = append(errs, fmt.Errorf("%s: %w", c, err))
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return &RemoteError{errors.Join(errs...), unsupported}
}

func (b *Broker) revokeOne(ctx context.Context, c Connection) error {
	if !c.granted() {
		return nil
	}
	grant, denied := b.grant(ctx, c)
	if denied != nil {
		return denied
	}
	if u := unbound(c.Endpoints, revocationEndpoints(grant.Definition.OAuth)); u != "" {
		return endpointChanged(c, "the revocation endpoint "+u)
	}
	return login.Revoke(ctx, grant)
}

package vault

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/zalando/go-keyring"

	"authsome/internal/secret"
)

const (
	keyringService = "authsome"
	// A keyring that is locked waits for a human, one that is broken waits for
	// ever; the user gets an answer before either.
	keyringLimit = 4 * time.Second
	// Choosing a source is not worth a longer wait.
	keyringAutoLimit = 2 * time.Second
)

type keyringSource struct {
	account string        // the vault's id, so that two homes do not collide
	bus     string        // DBUS_SESSION_BUS_ADDRESS
	limit   time.Duration // of each use, however many calls it takes
}

// KeyringSource keeps the key in the operating system's keyring, as service
// "authsome", account the vault's id in hex. Where that is the Secret Service
// of a D-Bus session, sessionBus is the environment's DBUS_SESSION_BUS_ADDRESS,
// which may be empty.
func KeyringSource(id, sessionBus string) KeySource {
	return keyringSource{account: id, bus: sessionBus, limit: keyringLimit}
}

func (keyringSource) Name() string { return SourceKeyring }

func (s keyringSource) Describe() string {
	return fmt.Sprintf("OS keyring (service %s, account %s)", keyringService, s.account)
}

func (keyringSource) Parameters() string { return "" }

func (s keyringSource) Load(ctx context.Context) ([]secret.Text, error) {
	key, err := s.load(ctx)
	if err != nil {
		return nil, err
	}
	return []secret.Text{key}, nil
}

func (s keyringSource) load(ctx context.Context) (secret.Text, error) {
	text, err := s.call(ctx, func() (string, error) { return keyring.Get(keyringService, s.account) })
	if errors.Is(err, keyring.ErrNotFound) {
		return secret.Text{}, fmt.Errorf("%s: %w", s.Describe(), ErrKeyMissing)
	} else if err != nil {
		return secret.Text{}, err
	}
	key, err := decodeKey(text)
	if err != nil {
		return secret.Text{}, fmt.Errorf("%s: %w", s.Describe(), err)
	}
	return key, nil
}

// Create reads back what it has set: some keyrings accept and forget.
func (s keyringSource) Create(ctx context.Context) (secret.Text, error) {
	ctx, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	key, err := s.load(ctx)
	if !errors.Is(err, ErrKeyMissing) {
		return key, err
	}
	text := encodeKey(newKey())
	_, err = s.call(ctx, func() (string, error) { return "", keyring.Set(keyringService, s.account, text) })
	if err != nil {
		return secret.Text{}, err
	}
	return s.load(ctx)
}

// Renew is Create: every Rekey gives the vault another id, and so another entry.
func (s keyringSource) Renew(ctx context.Context, _ secret.Text) (secret.Text, error) {
	return s.Create(ctx)
}

// Settle removes the entry unless it is to be kept.
func (s keyringSource) Settle(ctx context.Context, keep secret.Text) error {
	if !keep.IsZero() {
		return nil
	}
	_, err := s.call(ctx, func() (string, error) { return "", keyring.Delete(keyringService, s.account) })
	if errors.Is(err, keyring.ErrNotFound) {
		return nil
	}
	return err
}

// call runs f no longer than the limit. The library can't be interrupted: an f
// that hangs is left behind, holding nothing of ours, until the process ends.
func (s keyringSource) call(ctx context.Context, f func() (string, error)) (string, error) {
	if err := sessionBus(s.bus); err != nil {
		return "", fmt.Errorf("%w: %w", ErrKeyring, err)
	}
	ctx, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	type answer struct {
		text string
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		text, err := f()
		answers <- answer{text, err}
	}()
	select {
	case <-ctx.Done():
		return "", fmt.Errorf("%w: no answer within %v; unlock it and try again: %w", ErrKeyring, s.limit, ctx.Err())
	case a := <-answers:
		if a.err != nil && !errors.Is(a.err, keyring.ErrNotFound) {
			a.err = fmt.Errorf("%w: %w", ErrKeyring, a.err)
		}
		return a.text, a.err
	}
}

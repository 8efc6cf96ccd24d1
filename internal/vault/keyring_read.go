package vault

import (
	"context"
	"errors"
	"fmt"

	"github.com/zalando/go-keyring"

	"authsome/internal/secret"
)

// ReadKeyring returns what another program of the same service name keeps in
// the OS keyring under an account. The error wraps ErrKeyMissing when there is
// nothing, and ErrKeyring when the keyring does not answer. sessionBus is as
// for KeyringSource.
func ReadKeyring(ctx context.Context, account, sessionBus string) (secret.Text, error) {
	s := keyringSource{account: account, bus: sessionBus, limit: keyringLimit}
	text, err := s.call(ctx, func() (string, error) { return keyring.Get(keyringService, account) })
	if errors.Is(err, keyring.ErrNotFound) {
		return secret.Text{}, fmt.Errorf("%s: %w", s.Describe(), ErrKeyMissing)
	}
	return secret.New(text), err
}

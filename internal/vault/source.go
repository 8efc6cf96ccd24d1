package vault

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"

	"authsome/internal/secret"
)

// The key sources a vault may be created with.
const (
	SourceAuto    = "auto" // the first of env (if given), keyring, file that works
	SourceKeyring = "keyring"
	SourceFile    = "file"
	SourceEnv     = "env"

	SourcePassphrase = "passphrase"
	SourceAge        = "age"
)

// KeySource keeps the 32-byte key that wraps a vault's data key.
type KeySource interface {
	// Name is the one Options.Source knows.
	Name() string
	// Parameters is what the vault's header keeps for the source beside the
	// name: no secret, "" for most. It has no line break.
	Parameters() string
	// Describe says to a human where the key is. Two sources of one vault that
	// keep their keys in one place say the same.
	Describe() string
	// Load returns the key as it stands: ErrKeyMissing, ErrKeyFormat, ErrKeyring.
	// There are two when a Rekey was interrupted. It never makes one.
	Load(ctx context.Context) ([]secret.Text, error)
	// Create returns a key for a new vault and has it kept when it returns. It
	// never replaces a key: one that is there already is returned.
	Create(ctx context.Context) (secret.Text, error)
	// Renew returns a new key and has it kept, beside the one in use, which is
	// zero when that is not in the same place.
	Renew(ctx context.Context, inUse secret.Text) (secret.Text, error)
	// Settle forgets every key but one, which may be zero.
	Settle(ctx context.Context, keep secret.Text) error
}

// sourceLine is what the header says of a source.
func sourceLine(s KeySource) string {
	return strings.TrimSuffix(s.Name()+" "+s.Parameters(), " ")
}

// unstored is what sources have in common that keep no key of their own.
type unstored struct{}

func (unstored) Settle(context.Context, secret.Text) error { return nil }

type envSource struct {
	unstored
	value secret.Text
}

// EnvSource is a key the user keeps: the value of AUTHSOME_MASTER_KEY, which is
// 32 bytes in base64, standard or URL alphabet, padded or not.
func EnvSource(value secret.Text) KeySource { return envSource{value: value} }

func (envSource) Name() string       { return SourceEnv }
func (envSource) Parameters() string { return "" }
func (envSource) Describe() string   { return "AUTHSOME_MASTER_KEY" }

func (s envSource) Load(ctx context.Context) ([]secret.Text, error) {
	key, err := s.Create(ctx)
	if err != nil {
		return nil, err
	}
	return []secret.Text{key}, nil
}

func (s envSource) Create(context.Context) (secret.Text, error) {
	if s.value.IsZero() {
		return secret.Text{}, fmt.Errorf("AUTHSOME_MASTER_KEY: %w: it is not set", ErrKeyMissing)
	}
	key, err := decodeKey(s.value.Reveal())
	if err != nil {
		return secret.Text{}, fmt.Errorf("AUTHSOME_MASTER_KEY: %w", err)
	}
	return key, nil
}

// Renew returns the value too: whoever makes the EnvSource chose a new one.
func (s envSource) Renew(ctx context.Context, _ secret.Text) (secret.Text, error) {
	return s.Create(ctx)
}

// decodeKey reads 32 bytes of base64, either alphabet, padded or not.
func decodeKey(text string) (secret.Text, error) {
	text = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimSpace(text))
	raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	if err != nil || len(raw) != keySize {
		return secret.Text{}, fmt.Errorf("%w: want %d bytes in base64", ErrKeyFormat, keySize)
	}
	return secret.New(string(raw)), nil
}

func encodeKey(key secret.Text) string {
	return base64.StdEncoding.EncodeToString([]byte(key.Reveal()))
}

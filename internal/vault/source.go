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
)

// KeySource keeps the 32-byte key that wraps a vault's data key.
type KeySource interface {
	// Name is the one the vault's header records.
	Name() string
	// Describe says to a human where the key is.
	Describe() string
	// Load returns the key as it stands: ErrKeyMissing, ErrKeyFormat, ErrKeyring.
	// It never makes one.
	Load(ctx context.Context) (secret.Text, error)
	// Create returns a key for a new vault and has it kept when it returns. It
	// never replaces a key: one that is there already is returned.
	Create(ctx context.Context) (secret.Text, error)
}

type envSource struct{ value secret.Text }

// EnvSource is a key the user keeps: the value of AUTHSOME_MASTER_KEY, which is
// 32 bytes in base64, standard or URL alphabet, padded or not.
func EnvSource(value secret.Text) KeySource { return envSource{value} }

func (envSource) Name() string     { return SourceEnv }
func (envSource) Describe() string { return "AUTHSOME_MASTER_KEY" }

func (s envSource) Load(context.Context) (secret.Text, error) {
	if s.value.IsZero() {
		return secret.Text{}, fmt.Errorf("AUTHSOME_MASTER_KEY: %w: it is not set", ErrKeyMissing)
	}
	key, err := decodeKey(s.value.Reveal())
	if err != nil {
		return secret.Text{}, fmt.Errorf("AUTHSOME_MASTER_KEY: %w", err)
	}
	return key, nil
}

func (s envSource) Create(ctx context.Context) (secret.Text, error) { return s.Load(ctx) }

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

package vault

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"authsome/internal/secret"
)

// MinPassphrase is how many characters a passphrase has at least: whoever has
// the vault's files can try passphrases as fast as Argon2id lets them.
const MinPassphrase = 8

// argonParameters are those of RFC 9106 section 3.1. What a header may ask for
// is bounded: it is read before the key can tell whether it is ours.
type argonParameters struct {
	time    uint32 // passes
	memory  uint32 // KiB
	threads uint8
	salt    [16]byte
}

// The second recommended option of RFC 9106 section 4, and the bounds.
const (
	argonTime, argonMaxTime       = 3, 16
	argonMemory, argonMinMemory   = 64 << 10, 16 << 10
	argonMaxMemory                = 1 << 20
	argonThreads, argonMaxThreads = 4, 16
)

const argonFormat = "argon2id t=%d m=%d p=%d salt=%s"

func (p argonParameters) String() string {
	return fmt.Sprintf(argonFormat, p.time, p.memory, p.threads, base64.RawStdEncoding.EncodeToString(p.salt[:]))
}

// parseArgon is strict: only what String writes, and within the bounds.
func parseArgon(text string) (argonParameters, error) {
	var p argonParameters
	var salt string
	_, err := fmt.Sscanf(text, argonFormat, &p.time, &p.memory, &p.threads, &salt)
	raw, err2 := base64.RawStdEncoding.DecodeString(salt)
	if err != nil || err2 != nil || len(raw) != len(p.salt) {
		return p, fmt.Errorf("%w: parameters of the passphrase are not readable", ErrSource)
	}
	p.salt = [16]byte(raw)
	if p.String() != text || !p.bounded() {
		return p, fmt.Errorf("%w: parameters of the passphrase are out of bounds", ErrSource)
	}
	return p, nil
}

func (p argonParameters) bounded() bool {
	return p.time >= 1 && p.time <= argonMaxTime && p.memory >= argonMinMemory && p.memory <= argonMaxMemory &&
		p.threads >= 1 && p.threads <= argonMaxThreads
}

func (p argonParameters) key(passphrase secret.Text) secret.Text {
	return secret.New(string(argon2.IDKey([]byte(passphrase.Reveal()), p.salt[:], p.time, p.memory, p.threads, keySize)))
}

type passphraseSource struct {
	unstored
	parameters argonParameters
	ask        func(context.Context, string) (secret.Text, error)
	fresh      secret.Text // of NewPassphraseSource
}

// PassphraseSource derives the key from a passphrase that the human is asked
// for, with the parameters that the header kept.
func PassphraseSource(parameters string, ask func(ctx context.Context, what string) (secret.Text, error)) (KeySource, error) {
	p, err := parseArgon(parameters)
	if err != nil {
		return nil, err
	}
	return passphraseSource{parameters: p, ask: ask}, nil
}

// NewPassphraseSource is a PassphraseSource for a vault to be made, with a
// passphrase and a new salt.
func NewPassphraseSource(passphrase secret.Text, ask func(ctx context.Context, what string) (secret.Text, error)) (KeySource, error) {
	if err := checkPassphrase(passphrase); err != nil {
		return nil, err
	}
	s := passphraseSource{
		parameters: argonParameters{time: argonTime, memory: argonMemory, threads: argonThreads},
		ask:        ask, fresh: passphrase,
	}
	rand.Read(s.parameters.salt[:])
	return s, nil
}

func checkPassphrase(p secret.Text) error {
	if utf8.RuneCountInString(strings.TrimSpace(p.Reveal())) < MinPassphrase {
		return fmt.Errorf("%w: a passphrase has at least %d characters", ErrKeyFormat, MinPassphrase)
	}
	return nil
}

func (passphraseSource) Name() string         { return SourcePassphrase }
func (s passphraseSource) Parameters() string { return s.parameters.String() }
func (passphraseSource) Describe() string     { return "a passphrase (Argon2id)" }

func (s passphraseSource) Load(ctx context.Context) ([]secret.Text, error) {
	if s.ask == nil {
		return nil, fmt.Errorf("%w: it needs a passphrase", ErrLocked)
	}
	passphrase, err := s.ask(ctx, "Passphrase")
	if err != nil {
		return nil, fmt.Errorf("%w: it needs a passphrase: %w", ErrLocked, err)
	}
	return []secret.Text{s.parameters.key(passphrase)}, nil
}

func (s passphraseSource) Create(context.Context) (secret.Text, error) {
	if err := checkPassphrase(s.fresh); err != nil {
		return secret.Text{}, err
	}
	return s.parameters.key(s.fresh), nil
}

func (s passphraseSource) Renew(ctx context.Context, _ secret.Text) (secret.Text, error) {
	return s.Create(ctx)
}

package vault

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"authsome/internal/secret"
)

const keyFileMagic = "authsome-key "

type fileSource struct{ path string }

// FileSource keeps the key in a private file beside the vault, written as
//
//	authsome-key 1
//	BASE64
//
// with one more line while a Rekey is under way, and after one that was
// interrupted. Whoever copies both the file and the vault has everything in it.
func FileSource(path string) KeySource { return fileSource{path} }

func (fileSource) Name() string       { return SourceFile }
func (fileSource) Parameters() string { return "" }
func (s fileSource) Describe() string { return "file " + s.path }

func (s fileSource) Load(context.Context) ([]secret.Text, error) {
	data, err := readFile(s.path, 256)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, fmt.Errorf("%s: %w", s.path, ErrKeyMissing)
	case errors.Is(err, ErrTooLarge):
		return nil, fmt.Errorf("%s: %w: too long", s.path, ErrKeyFormat)
	case err != nil:
		return nil, err
	}
	if err := checkDir(filepath.Dir(s.path)); err != nil {
		return nil, err
	}
	keys, err := parseKeyFile(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.path, err)
	}
	return keys, nil
}

func (s fileSource) Create(ctx context.Context) (secret.Text, error) {
	keys, err := s.Load(ctx)
	if errors.Is(err, ErrKeyMissing) {
		return s.Renew(ctx, secret.Text{})
	} else if err != nil {
		return secret.Text{}, err
	}
	return keys[0], nil
}

// Renew refuses to take the place of a key that is not the one in use: it may
// be all that opens another vault.
func (s fileSource) Renew(ctx context.Context, inUse secret.Text) (secret.Text, error) {
	_, err := s.Load(ctx)
	if err == nil && inUse.IsZero() {
		return secret.Text{}, fmt.Errorf("%s: %w", s.path, ErrKeyThere)
	} else if err != nil && !errors.Is(err, ErrKeyMissing) {
		return secret.Text{}, err
	}
	if err := makeDir(filepath.Dir(s.path)); err != nil {
		return secret.Text{}, storeError(err)
	}
	key := newKey()
	keys := []secret.Text{inUse, key}
	if inUse.IsZero() {
		keys = keys[1:]
	}
	if err := writeFile(s.path, encodeKeyFile(keys)); err != nil {
		return secret.Text{}, err
	}
	kept, err := s.Load(ctx)
	if err == nil && !kept[len(kept)-1].Equal(key) {
		err = fmt.Errorf("%s: %w: it changed while it was written", s.path, ErrKeyFormat)
	}
	return key, err
}

// Settle removes the file when no key is to be kept.
func (s fileSource) Settle(_ context.Context, keep secret.Text) error {
	if !keep.IsZero() {
		return writeFile(s.path, encodeKeyFile([]secret.Text{keep}))
	}
	if err := removeFile(s.path); !errors.Is(err, ErrNotFound) {
		return err
	}
	return nil
}

func encodeKeyFile(keys []secret.Text) []byte {
	data := fmt.Appendf(nil, "%s%d\n", keyFileMagic, formatOne)
	for _, key := range keys {
		data = fmt.Appendf(data, "%s\n", encodeKey(key))
	}
	return data
}

// parseKeyFile is strict: only what encodeKeyFile writes of one or two keys is
// a key file.
func parseKeyFile(data []byte) ([]secret.Text, error) {
	if err := checkFormat(string(data), keyFileMagic); errors.Is(err, ErrNewerFormat) {
		return nil, err
	} else if err != nil {
		return nil, fmt.Errorf("%w: not an authsome key file", ErrKeyFormat)
	}
	lines := strings.Split(string(data), "\n")
	if len(lines) != 3 && len(lines) != 4 {
		return nil, fmt.Errorf("%w: %d lines", ErrKeyFormat, len(lines)-1)
	}
	var keys []secret.Text
	for _, line := range lines[1 : len(lines)-1] {
		key, err := decodeKey(line)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	if string(encodeKeyFile(keys)) != string(data) {
		return nil, fmt.Errorf("%w: not written by authsome", ErrKeyFormat)
	}
	return keys, nil
}

package vault

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"authsome/internal/secret"
)

const keyFileMagic = "authsome-key "

type fileSource struct{ path string }

// FileSource keeps the key in a private file beside the vault, written as
//
//	authsome-key 1
//	BASE64
//
// Whoever copies both the file and the vault has everything in it.
func FileSource(path string) KeySource { return fileSource{path} }

func (fileSource) Name() string       { return SourceFile }
func (s fileSource) Describe() string { return "file " + s.path }

func (s fileSource) Load(context.Context) (secret.Text, error) {
	data, err := readFile(s.path, 256)
	switch {
	case errors.Is(err, ErrNotFound):
		return secret.Text{}, fmt.Errorf("%s: %w", s.path, ErrKeyMissing)
	case errors.Is(err, ErrTooLarge):
		return secret.Text{}, fmt.Errorf("%s: %w: too long", s.path, ErrKeyFormat)
	case err != nil:
		return secret.Text{}, err
	}
	if err := checkDir(filepath.Dir(s.path)); err != nil {
		return secret.Text{}, err
	}
	key, err := parseKeyFile(data)
	if err != nil {
		return secret.Text{}, fmt.Errorf("%s: %w", s.path, err)
	}
	return key, nil
}

func (s fileSource) Create(ctx context.Context) (secret.Text, error) {
	key, err := s.Load(ctx)
	if !errors.Is(err, ErrKeyMissing) {
		return key, err
	}
	if err := makeDir(filepath.Dir(s.path)); err != nil {
		return secret.Text{}, storeError(err)
	}
	if err := writeFile(s.path, encodeKeyFile(newKey())); err != nil {
		return secret.Text{}, err
	}
	return s.Load(ctx)
}

func encodeKeyFile(key secret.Text) []byte {
	return fmt.Appendf(nil, "%s%d\n%s\n", keyFileMagic, formatOne, encodeKey(key))
}

// parseKeyFile is strict: only what encodeKeyFile writes is a key file.
func parseKeyFile(data []byte) (secret.Text, error) {
	if err := checkFormat(string(data), keyFileMagic); errors.Is(err, ErrNewerFormat) {
		return secret.Text{}, err
	} else if err != nil {
		return secret.Text{}, fmt.Errorf("%w: not an authsome key file", ErrKeyFormat)
	}
	key, err := decodeKey(string(data[len(keyFileMagic)+1:]))
	if err != nil {
		return secret.Text{}, err
	}
	if string(encodeKeyFile(key)) != string(data) {
		return secret.Text{}, fmt.Errorf("%w: not written by authsome", ErrKeyFormat)
	}
	return key, nil
}

package original

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// ErrKey is wrapped for a record that none of the keys opens.
var ErrKey = errors.New("none of the original's keys opens it")

const keySize = 32

// key is one that may be the right one.
type key struct {
	source string
	aead   cipher.AEAD
}

// loadKeys collects the keys of the folder and the environment.
func (r *reader) loadKeys(keys Keys) {
	r.ring = keys.Keyring
	for _, file := range []string{"master.key", "server/master.key"} {
		data, err := readSmall(r.path(file))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = r.addKey("file "+file, fileKey(data))
		}
		if err != nil {
			r.problem(file, err)
		}
	}
	if keys.Environment != "" {
		_ = r.addKey("AUTHSOME_MASTER_KEY", keys.Environment) // it may be ours, and of another form
	}
}

// fileKey is the key in a key file: {"key": …} as it was first, or nothing but
// the key.
func fileKey(data []byte) string {
	var file struct {
		Key string `json:"key"`
	}
	if json.Unmarshal(data, &file) == nil && file.Key != "" {
		return file.Key
	}
	return string(data)
}

func (r *reader) addKey(source, text string) error {
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil || len(raw) != keySize {
		return errors.New("malformed key: not 32 bytes in base64")
	}
	block, err := aes.NewCipher(raw)
	if err != nil {
		return err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return err
	}
	r.keys = append(r.keys, key{source, aead})
	return nil
}

// decrypt opens a value with the first key that fits: base64 of the nonce, a
// dot, base64 of ciphertext and tag, AES-256-GCM without associated data.
func (r *reader) decrypt(value string) ([]byte, error) {
	nonceText, sealedText, ok := strings.Cut(value, ".")
	nonce, errNonce := base64.StdEncoding.DecodeString(nonceText)
	sealed, errSealed := base64.StdEncoding.DecodeString(sealedText)
	if !ok || errNonce != nil || errSealed != nil || len(nonce) != 12 {
		return nil, errors.New("value is not in the original's form of encryption, or of a version that is not known")
	}
	if data, ok := r.try(nonce, sealed); ok {
		return data, nil
	}
	if err := r.askKeyring(); err != nil {
		return nil, fmt.Errorf("%w; the OS keyring: %w", ErrKey, err)
	}
	if data, ok := r.try(nonce, sealed); ok {
		return data, nil
	}
	return nil, ErrKey
}

func (r *reader) try(nonce, sealed []byte) ([]byte, bool) {
	for _, k := range r.keys {
		data, err := k.aead.Open(nil, nonce, sealed, nil)
		if err != nil {
			continue
		}
		if !slices.Contains(r.home.KeySources, k.source) {
			r.home.KeySources = append(r.home.KeySources, k.source)
		}
		return data, true
	}
	return nil, false
}

// askKeyring adds the keyring's key, which may take a human: once, and only
// when another key is needed.
func (r *reader) askKeyring() error {
	if r.ring == nil {
		return nil
	}
	ring := r.ring
	r.ring = nil
	text, err := ring(r.ctx)
	if err != nil {
		return err
	}
	return r.addKey("OS keyring", text)
}

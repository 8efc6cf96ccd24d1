package vault

import (
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"authsome/internal/secret"
)

const (
	headerName  = "header"
	headerMagic = "authsome-vault "
	formatOne   = 1
	algorithm   = "xchacha20-poly1305"
)

// header is the one record that is not sealed. It is written as
//
//	authsome-vault 1
//	id 00112233445566778899aabbccddeeff
//	algorithm xchacha20-poly1305
//	source keyring [PARAMETERS]
//	key BASE64
//	sum SHA256
//
// where PARAMETERS are what the key source needs that is no secret, key is the
// vault's data key, sealed under the source's key with the lines above it as
// associated data, and sum is the hash of all lines above it: it tells an
// accident (ErrDamaged) from a wrong key.
type header struct {
	id        vaultID
	algorithm string
	source    string
	wrapped   []byte
}

// newHeader makes a vault: a fresh data key, wrapped. It returns the keys too.
func newHeader(id vaultID, source string, key secret.Text) (header, keys, error) {
	h := header{id: id, algorithm: algorithm, source: source}
	aead, err := h.wrapper(key)
	if err != nil {
		return header{}, keys{}, err
	}
	dataKey := make([]byte, keySize)
	rand.Read(dataKey)
	h.wrapped = sealBox(aead, dataKey, []byte(h.associated()))
	derived, err := deriveKeys(id, dataKey)
	return h, derived, err
}

// unwrap returns the keys of the vault, or ErrWrongKey.
func (h header) unwrap(key secret.Text) (keys, error) {
	aead, err := h.wrapper(key)
	if err != nil {
		return keys{}, err
	}
	dataKey, err := openBox(aead, h.wrapped, []byte(h.associated()))
	if err != nil {
		return keys{}, ErrWrongKey
	}
	return deriveKeys(h.id, dataKey)
}

func (h header) wrapper(key secret.Text) (cipher.AEAD, error) {
	if len(key.Reveal()) != keySize {
		return nil, fmt.Errorf("%w: %d bytes, want %d", ErrKeyFormat, len(key.Reveal()), keySize)
	}
	return deriveAEAD(h.id, []byte(key.Reveal()), "authsome vault 1: wrap the data key")
}

func (h header) associated() string {
	return fmt.Sprintf("%s%d\nid %s\nalgorithm %s\nsource %s\n", headerMagic, formatOne, h.id, h.algorithm, h.source)
}

func (h header) encode() []byte {
	text := h.associated() + "key " + base64.StdEncoding.EncodeToString(h.wrapped) + "\n"
	return fmt.Appendf(nil, "%ssum %x\n", text, sha256.Sum256([]byte(text)))
}

// parseHeader is strict: only what encode writes is a header.
func parseHeader(data []byte) (header, error) {
	if err := checkFormat(string(data), headerMagic); err != nil {
		return header{}, err
	}
	var h header
	lines := strings.Split(string(data), "\n")
	if len(lines) != 7 {
		return header{}, fmt.Errorf("%w: %d lines", ErrDamaged, len(lines)-1)
	}
	h.algorithm = strings.TrimPrefix(lines[2], "algorithm ")
	h.source = strings.TrimPrefix(lines[3], "source ")
	if h.algorithm != algorithm && strings.HasPrefix(lines[2], "algorithm ") {
		return header{}, fmt.Errorf("%w: %q", ErrUnknownAlgorithm, h.algorithm)
	}
	id, err1 := hex.DecodeString(strings.TrimPrefix(lines[1], "id "))
	wrapped, err2 := base64.StdEncoding.DecodeString(strings.TrimPrefix(lines[4], "key "))
	if err1 != nil || err2 != nil || len(id) != len(h.id) || len(wrapped) != nonceSize+keySize+tagSize {
		return header{}, fmt.Errorf("%w: a field is not readable", ErrDamaged)
	}
	h.id, h.wrapped = vaultID(id), wrapped
	if string(h.encode()) != string(data) {
		return header{}, fmt.Errorf("%w: its check sum does not fit", ErrDamaged)
	}
	return h, nil
}

// checkFormat reads the first line, a magic word and a format number, which
// every format to come keeps.
func checkFormat(text, magic string) error {
	line, _, _ := strings.Cut(text, "\n")
	number, ok := strings.CutPrefix(line, magic)
	n, err := strconv.ParseUint(number, 10, 16)
	if !ok || err != nil || n == 0 || strconv.FormatUint(n, 10) != number {
		return fmt.Errorf("%w: it does not start with %q", ErrDamaged, strings.TrimSpace(magic))
	}
	if n > formatOne {
		return fmt.Errorf("%w: format %d, this one knows %d", ErrNewerFormat, n, formatOne)
	}
	return nil
}

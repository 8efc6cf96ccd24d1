package vault

import (
	"bytes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"

	"golang.org/x/crypto/chacha20poly1305"

	"authsome/internal/secret"
)

const (
	keySize   = 32
	nonceSize = chacha20poly1305.NonceSizeX // random: 192 bits never repeat
	tagSize   = chacha20poly1305.Overhead
)

// vaultID tells one vault from another. It is random and no secret.
type vaultID [16]byte

func (id vaultID) String() string { return hex.EncodeToString(id[:]) }

// keys are what a vault works with, all derived from its data key.
type keys struct {
	id   vaultID
	seal cipher.AEAD
	name []byte // names record files
}

func deriveKeys(id vaultID, dataKey []byte) (keys, error) {
	seal, err := deriveAEAD(id, dataKey, "authsome vault 1: seal records")
	if err != nil {
		return keys{}, err
	}
	name, err := hkdf.Key(sha256.New, dataKey, id[:], "authsome vault 1: name records", keySize)
	return keys{id: id, seal: seal, name: name}, err
}

func deriveAEAD(id vaultID, key []byte, purpose string) (cipher.AEAD, error) {
	subkey, err := hkdf.Key(sha256.New, key, id[:], purpose, keySize)
	if err != nil {
		return nil, err
	}
	return chacha20poly1305.NewX(subkey)
}

// recordName is the name a record is stored under: unreadable without the key,
// and different for every pair of profile and key.
func (k keys) recordName(profile, key string) recordName {
	mac := hmac.New(sha256.New, k.name)
	mac.Write(appendField(appendField(nil, profile), key))
	return recordName(mac.Sum(nil))
}

// appendField writes a length and then the bytes, so that no two lists of
// fields look alike.
func appendField[T ~string | ~[]byte](b []byte, field T) []byte {
	b = binary.AppendUvarint(b, uint64(len(field)))
	return append(b, field...)
}

// cutField is appendField's inverse. It refuses a length that was not written
// in its shortest form.
func cutField(b []byte) (field, rest []byte, ok bool) {
	n, width := binary.Uvarint(b)
	if width <= 0 || n > uint64(len(b)-width) || !bytes.HasPrefix(b, binary.AppendUvarint(nil, n)) {
		return nil, nil, false
	}
	b = b[width:]
	return b[:n], b[n:], true
}

// sealBox returns nonce and ciphertext.
func sealBox(aead cipher.AEAD, plaintext, associated []byte) []byte {
	box := make([]byte, nonceSize, nonceSize+len(plaintext)+tagSize)
	rand.Read(box)
	return aead.Seal(box, box, plaintext, associated)
}

func openBox(aead cipher.AEAD, box, associated []byte) ([]byte, error) {
	if len(box) < nonceSize+tagSize {
		return nil, ErrDamaged
	}
	return aead.Open(nil, box[:nonceSize], box[nonceSize:], associated)
}

// newKey returns 32 random bytes.
func newKey() secret.Text {
	var key [keySize]byte
	rand.Read(key[:])
	return secret.New(string(key[:]))
}

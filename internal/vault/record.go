package vault

import (
	"bytes"
	"encoding/hex"
	"fmt"
)

// A record's blob is
//
//	"authsome" format:1 algorithm:1 vault:16 name:32 | nonce:24 ciphertext tag:16
//
// with everything before the nonce as associated data. The name is the keyed
// hash of profile and key, so it binds both; kept in the blob, it tells a
// record that was moved (ErrSwapped) from one that was damaged. The plaintext
// is profile, key and data, each after its length, then zeros up to a multiple
// of padding bytes, so that the size does not tell one provider's token from
// another's.
const (
	recordMagic     = "authsome"
	recordAlgorithm = 1 // XChaCha20-Poly1305
	padding         = 256
	// MaxData is the most a record holds, in bytes.
	MaxData = MaxBlob - 4096
	maxKey  = 1024 // bytes of a profile's name, and of a record's key
)

const preambleSize = len(recordMagic) + 2 + len(vaultID{}) + len(recordName{})

type recordName [32]byte

func (n recordName) String() string { return hex.EncodeToString(n[:]) }

// isRecord tells a record's stored name from any other.
func isRecord(name string) bool { return len(name) == 2*len(recordName{}) }

// Record is one thing kept in a profile.
type Record struct {
	Key  string
	Data []byte
}

// envelope is a record's blob taken apart.
type envelope struct {
	id   vaultID
	name recordName
	box  []byte // nonce, ciphertext, tag
}

func (e envelope) preamble() []byte {
	b := append([]byte(recordMagic), formatOne, recordAlgorithm)
	return append(append(b, e.id[:]...), e.name[:]...)
}

func (e envelope) encode() []byte { return append(e.preamble(), e.box...) }

func parseEnvelope(blob []byte) (envelope, error) {
	rest, ok := bytes.CutPrefix(blob, []byte(recordMagic))
	if !ok || len(rest) < 2 || rest[0] == 0 {
		return envelope{}, fmt.Errorf("%w: not a record", ErrDamaged)
	}
	if rest[0] > formatOne {
		return envelope{}, fmt.Errorf("%w: format %d, this one knows %d", ErrNewerFormat, rest[0], formatOne)
	}
	if rest[1] != recordAlgorithm {
		return envelope{}, fmt.Errorf("%w: %d", ErrUnknownAlgorithm, rest[1])
	}
	if len(blob) < preambleSize+nonceSize+tagSize {
		return envelope{}, fmt.Errorf("%w: cut short", ErrDamaged)
	}
	var e envelope
	rest = rest[2:]
	copy(e.id[:], rest)
	copy(e.name[:], rest[len(e.id):])
	e.box = blob[preambleSize:]
	return e, nil
}

// foreignError is the ErrSwapped of a record that was sealed for another vault,
// or for the same one before or after a Rekey.
type foreignError struct{ id vaultID }

func (e *foreignError) Error() string { return fmt.Sprintf("%v: it is of vault %s", ErrSwapped, e.id) }
func (e *foreignError) Unwrap() error { return ErrSwapped }

// sealRecord returns the blob to store under name.
func (k keys) sealRecord(name recordName, profile string, r Record) []byte {
	e := envelope{id: k.id, name: name}
	e.box = sealBox(k.seal, encodeContent(profile, r), e.preamble())
	return e.encode()
}

// openRecord opens the blob found under name.
func (k keys) openRecord(name string, blob []byte) (profile string, r Record, err error) {
	e, err := parseEnvelope(blob)
	if err != nil {
		return "", Record{}, err
	}
	if e.id != k.id {
		return "", Record{}, &foreignError{e.id}
	}
	if e.name.String() != name {
		return "", Record{}, fmt.Errorf("%w: it was stored as %s", ErrSwapped, e.name)
	}
	plaintext, err := openBox(k.seal, e.box, e.preamble())
	if err != nil {
		return "", Record{}, ErrDamaged
	}
	profile, r, ok := parseContent(plaintext)
	if !ok || k.recordName(profile, r.Key) != e.name {
		return "", Record{}, fmt.Errorf("%w: content is not readable", ErrDamaged)
	}
	return profile, r, nil
}

func encodeContent(profile string, r Record) []byte {
	b := make([]byte, 0, len(profile)+len(r.Key)+len(r.Data)+2*padding)
	b = appendField(appendField(appendField(b, profile), r.Key), r.Data)
	return append(b, make([]byte, -len(b)&(padding-1))...)
}

func parseContent(b []byte) (profile string, r Record, ok bool) {
	p, rest, ok1 := cutField(b)
	key, rest, ok2 := cutField(rest)
	data, rest, ok3 := cutField(rest)
	if !ok1 || !ok2 || !ok3 || len(b)%padding != 0 || len(rest) >= padding || len(bytes.Trim(rest, "\x00")) > 0 {
		return "", Record{}, false
	}
	return string(p), Record{Key: string(key), Data: data}, true
}

// Package secret holds one type, Text: a string that does not print.
//
// It knows nothing of what the secret is for. A Text shows [redacted] under
// every formatting verb and in log/slog, refuses every encoder, and can't be
// compared with ==. An attacker who makes the program print, log or encode a
// value that holds a Text learns only that a secret was there, not even its
// length. Whoever needs the characters calls Reveal, and an architecture test
// lists the packages that may.
package secret

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
)

// Redacted is what a Text prints in place of its characters.
const Redacted = "[redacted]"

// ErrEncode is returned by every encoder a Text is handed to. An encoder that
// wrote the redaction mark instead would lose the secret without a word.
var ErrEncode = errors.New("secret text refuses to be encoded")

// Text is a secret string. The zero Text is no secret at all.
type Text struct {
	_ [0]func() // incomparable: == would leak timing and tempt map keys
	p *string   // a pointer, so that no verb reaches the characters by reflection
}

// New makes s a secret. New("") is the zero Text.
func New(s string) Text {
	if s == "" {
		return Text{}
	}
	return Text{p: &s}
}

// Reveal returns the characters. It is the only way to them.
func (t Text) Reveal() string {
	if t.p == nil {
		return ""
	}
	return *t.p
}

// IsZero reports whether t holds no secret.
func (t Text) IsZero() bool { return t.p == nil }

// Equal compares in time that depends on the lengths only.
func (t Text) Equal(u Text) bool {
	return subtle.ConstantTimeCompare([]byte(t.Reveal()), []byte(u.Reveal())) == 1
}

// Format prints [redacted] whatever the verb and its flags.
func (Text) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(Redacted)) }

// String returns [redacted].
func (Text) String() string { return Redacted }

// GoString returns [redacted].
func (Text) GoString() string { return Redacted }

// LogValue makes log/slog write [redacted].
func (Text) LogValue() slog.Value { return slog.StringValue(Redacted) }

// MarshalText refuses with ErrEncode.
func (Text) MarshalText() ([]byte, error) { return nil, ErrEncode }

// MarshalJSON refuses with ErrEncode.
func (Text) MarshalJSON() ([]byte, error) { return nil, ErrEncode }

// MarshalBinary refuses with ErrEncode.
func (Text) MarshalBinary() ([]byte, error) { return nil, ErrEncode }

// GobEncode refuses with ErrEncode.
func (Text) GobEncode() ([]byte, error) { return nil, ErrEncode }

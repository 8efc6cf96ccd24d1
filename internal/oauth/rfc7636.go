package oauth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"

	"authsome/internal/secret"
)

// challengeMethod is the only one there is here (RFC 7636 section 4.2).
const challengeMethod = "S256"

// NewVerifier returns a code verifier of 32 random bytes, 43 characters (RFC
// 7636 section 4.1). Each attempt needs its own.
func NewVerifier() secret.Text { return random() }

// CodeChallenge returns the S256 code challenge of a verifier.
func CodeChallenge(verifier secret.Text) string {
	sum := sha256.Sum256([]byte(verifier.Reveal()))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// NewState returns a state of 32 random bytes. Each attempt needs its own.
func NewState() secret.Text { return random() }

func random() secret.Text {
	b := make([]byte, 32)
	rand.Read(b) // never fails
	return secret.New(base64.RawURLEncoding.EncodeToString(b))
}

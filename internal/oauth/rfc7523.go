package oauth

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"authsome/internal/secret"
)

// How long an assertion is good for: from a minute ago, as clocks differ, to
// nine minutes from now, since servers refuse more than ten.
const (
	assertionLeeway   = time.Minute
	assertionLifetime = 9 * time.Minute
)

// ErrKey says that a private key is not one that can sign: an RSA key of 2048
// bits or more in PEM, PKCS #1 or PKCS #8, not encrypted.
var ErrKey = errors.New("private key is not usable")

// SignAssertion returns a JWT that says who the client is, as in RFC 7523
// section 2.2: {"alg":"RS256","typ":"JWT"}, with iss, iat and exp.
func SignAssertion(key secret.Text, issuer string, now time.Time) (secret.Text, error) {
	private, err := parseKey(key)
	if err != nil {
		return secret.Text{}, err
	}
	claims, err := json.Marshal(struct {
		Iat int64  `json:"iat"`
		Exp int64  `json:"exp"`
		Iss string `json:"iss"`
	}{now.Add(-assertionLeeway).Unix(), now.Add(assertionLifetime).Unix(), issuer})
	if err != nil {
		return secret.Text{}, err
	}
	encode := base64.RawURLEncoding.EncodeToString
	signed := encode([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + encode(claims)
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, private, crypto.SHA256, sum[:])
	if err != nil {
		return secret.Text{}, ErrKey
	}
	return secret.New(signed + "." + encode(signature)), nil
}

// parseKey's error never quotes the key, nor what a parser says of it.
func parseKey(key secret.Text) (*rsa.PrivateKey, error) {
	block, rest := pem.Decode([]byte(key.Reveal()))
	if block == nil || strings.TrimSpace(string(rest)) != "" {
		return nil, fmt.Errorf("%w: not one PEM block", ErrKey)
	}
	var parsed any
	var err error
	switch block.Type {
	case "RSA PRIVATE KEY":
		parsed, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "PRIVATE KEY":
		parsed, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	}
	private, ok := parsed.(*rsa.PrivateKey)
	if err != nil || !ok || private.N.BitLen() < 2048 || private.Validate() != nil {
		return nil, fmt.Errorf("%w: not an RSA key of 2048 bits or more", ErrKey)
	}
	return private, nil
}

// InstallationToken trades an assertion for the token of one installation of
// an app: a POST with the assertion as bearer, answered by token and
// expires_at (RFC 3339).
func (c *Client) InstallationToken(ctx context.Context, endpoint string, assertion secret.Text) (Token, error) {
	k := call{endpoint: "installation endpoint", url: endpoint, limit: maxToken, secrets: []secret.Text{assertion}}
	k.method, k.header = http.MethodPost, http.Header{"Authorization": {"Bearer " + assertion.Reveal()}}
	a, err := c.do(ctx, k)
	if err != nil {
		return Token{}, err
	}
	t, err := c.parseInstallation(a, k.secrets)
	if err != nil {
		return Token{}, fmt.Errorf("%s: %w", k.endpoint, err)
	}
	return t, nil
}

func (c *Client) parseInstallation(a answer, secrets []secret.Text) (Token, error) {
	if !a.ok() {
		return Token{}, c.installationError(a, secrets)
	}
	o, err := decode(a)
	if err != nil {
		return Token{}, err
	}
	t := Token{TokenType: "Bearer"}
	if t.AccessToken, err = o.secret("token"); err != nil {
		return Token{}, err
	}
	if t.AccessToken.IsZero() {
		return Token{}, fmt.Errorf("%w: no token", ErrAnswer)
	}
	// Unlike expires_in this is by the server's clock, and all there is.
	if t.Expiry, err = time.Parse(time.RFC3339, o.lenient("expires_at")); err != nil {
		return Token{}, fmt.Errorf("%w: malformed expires_at", ErrAnswer)
	}
	if latest := time.Now().Add(maxLifetime); t.Expiry.After(latest) {
		t.Expiry = latest
	}
	return t, nil
}

// installationError reads the API's own form of a refusal: {"message": …}.
func (c *Client) installationError(a answer, secrets []secret.Text) *Error {
	e := &Error{Status: a.status}
	if o, err := decode(a); err == nil {
		e.Description = Clean(hide(o.lenient("message"), secrets), maxDescription)
	}
	return e
}

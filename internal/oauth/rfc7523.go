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
	"net/url"
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

// Assertion is what a JWT says (RFC 7523 section 3). Audience and Scope are
// left out where they are "".
type Assertion struct {
	Issuer   string
	Audience string
	Scope    string // of the token asked for: not the RFC's, but Google's
}

// SignAssertion returns a JWT that says who the client is, as in RFC 7523
// section 2.2: {"alg":"RS256","typ":"JWT"}, with iss, iat and exp.
func SignAssertion(key secret.Text, issuer string, now time.Time) (secret.Text, error) {
	return Assertion{Issuer: issuer}.Sign(key, now)
}

// Sign returns the assertion as a JWT that an RSA key has signed, RS256.
func (a Assertion) Sign(key secret.Text, now time.Time) (secret.Text, error) {
	private, err := parseKey(key)
	if err != nil {
		return secret.Text{}, err
	}
	claims, err := json.Marshal(struct {
		Iat   int64  `json:"iat"`
		Exp   int64  `json:"exp"`
		Iss   string `json:"iss"`
		Aud   string `json:"aud,omitempty"`
		Scope string `json:"scope,omitempty"`
	}{now.Add(-assertionLeeway).Unix(), now.Add(assertionLifetime).Unix(), a.Issuer, a.Audience, a.Scope})
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

// JWTBearer trades an assertion for a token (RFC 7523 section 2.1). The client
// shows nothing else of itself.
func (c *Client) JWTBearer(ctx context.Context, s Server, assertion secret.Text, scopes []string) (Token, error) {
	form := url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {assertion.Reveal()}}
	if err := addParams(form, s.Quirks.TokenParams); err != nil {
		return Token{}, fmt.Errorf("token endpoint: %w", err)
	}
	k := call{endpoint: "token endpoint", url: s.TokenEndpoint, limit: maxToken, secrets: []secret.Text{assertion}, header: http.Header{}}
	k.form(form)
	return c.requestToken(ctx, k, s.Quirks, grant{form: form, scopes: scopes, secrets: k.secrets})
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

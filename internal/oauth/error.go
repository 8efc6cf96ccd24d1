package oauth

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"unicode"

	"authsome/internal/secret"
)

// Error codes that callers act on (RFC 6749 sections 4.1.2.1 and 5.2, RFC
// 8628 section 3.5, RFC 7591 section 3.2.2).
const (
	AccessDenied           = "access_denied"
	AuthorizationPending   = "authorization_pending"
	ExpiredToken           = "expired_token"
	InvalidClient          = "invalid_client"
	InvalidGrant           = "invalid_grant"
	InvalidRedirectURI     = "invalid_redirect_uri"
	InvalidScope           = "invalid_scope"
	ServerError            = "server_error"
	SlowDown               = "slow_down"
	TemporarilyUnavailable = "temporarily_unavailable"
	UnauthorizedClient     = "unauthorized_client"
)

// maxDescription bounds what a server may say, in characters.
const maxDescription = 500

// Error is a refusal by an authorization server, in words that are safe to
// print: no control or invisible characters, nothing of the request's secrets,
// cut at 500 characters. It holds nothing else of the answer.
type Error struct {
	Code        string // RFC 6749 section 5.2; "" when the server gave none
	Description string // "" when the server gave none
	URI         string // https only, else ""
	Status      int    // HTTP status; 0 when it came by redirect
}

// Error names the code, or the status when there is none.
func (e *Error) Error() string {
	s := e.Code
	switch {
	case s != "":
	case e.Status >= 300 && e.Status < 400:
		s = fmt.Sprintf("redirect refused (HTTP %d)", e.Status)
	default:
		s = fmt.Sprintf("HTTP %d %s", e.Status, http.StatusText(e.Status))
	}
	if e.Description != "" {
		s += ": " + e.Description
	}
	return s
}

// Temporary reports whether the same request may succeed later: the server
// did not decide, it was unable to.
func (e *Error) Temporary() bool {
	switch e.Code {
	case ServerError, TemporarilyUnavailable:
		return true
	case "":
		return e.Status >= 500 || e.Status == http.StatusTooManyRequests || e.Status == http.StatusRequestTimeout
	}
	return false
}

// Code returns the code of the *Error in err's chain, or "".
func Code(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return ""
}

// errorFrom makes an *Error of an answer's fields.
func (c *Client) errorFrom(status int, o object, codes map[string]string, secrets []secret.Text) *Error {
	e := &Error{Status: status}
	e.Code = Clean(hide(o.lenient("error"), secrets), 100)
	e.Description = Clean(hide(o.lenient("error_description"), secrets), maxDescription)
	if uri := o.lenient("error_uri"); len(uri) <= maxDescription && c.CheckURL(uri) == nil && hide(uri, secrets) == uri {
		e.URI = uri
	}
	if code, ok := codes[e.Code]; ok {
		e.Code = code
	}
	return e
}

// refusal makes an *Error of an answer whose status says that it is one.
func (c *Client) refusal(a answer, codes map[string]string, secrets []secret.Text) error {
	o, err := decode(a)
	if err != nil {
		return &Error{Status: a.status} // a page of a gateway: the status is all it says
	}
	return c.errorFrom(a.status, o, codes, secrets)
}

// hide replaces the secrets in s. A server that repeats what it was sent must
// not bring it into an error.
func hide(s string, secrets []secret.Text) string {
	for _, t := range secrets {
		if value := t.Reveal(); len(value) >= 4 {
			s = strings.ReplaceAll(s, value, secret.Redacted)
		}
	}
	return s
}

// Clean makes words of a server one line of visible text, of at most limit
// characters.
func Clean(s string, limit int) string {
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n == limit {
			b.WriteRune('…')
			break
		}
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			r = ' '
		}
		b.WriteRune(r)
		n++
	}
	return strings.TrimSpace(b.String())
}

// transportError is a call without an answer. Its text says what failed in
// terms of the network; what the peer sent could be a piece of a token, and
// net/http quotes it, so that is left out.
type transportError struct {
	endpoint string
	host     string
	err      error
}

func (e *transportError) Unwrap() error { return e.err }

func (e *transportError) Error() string {
	reason := "no valid HTTP answer"
	if sayable(e.err) {
		reason = Clean(e.err.Error(), 200)
	}
	return fmt.Sprintf("%s: %s: %s", e.endpoint, Clean(e.host, 260), reason)
}

// sayable reports whether an error's text is made by this machine.
func sayable(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return true
	}
	for _, as := range []func(error) bool{is[*net.OpError], is[*net.DNSError], is[*tls.CertificateVerificationError], is[tls.AlertError], is[x509.HostnameError], is[x509.UnknownAuthorityError]} {
		if as(err) {
			return true
		}
	}
	return false
}

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

package inject

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"authsome/internal/credential"
)

// reserved are header fields that frame, route or negotiate a message, or
// belong to the hop (RFC 9110 section 7.6.1): a definition that set one could
// redirect or smuggle a request. Cookie has rules of its own.
var reserved = []string{
	"accept-encoding", "connection", "content-encoding", "content-length", "content-type", "cookie", "date", "expect",
	"forwarded", "host", "http2-settings", "keep-alive", "max-forwards", "origin", "range", "set-cookie", "te", "trailer",
	"transfer-encoding", "upgrade", "via",
}

// reservedPrefixes are families of such fields.
var reservedPrefixes = []string{"proxy-", "sec-", "authsome-", "x-forwarded-"}

// compileHeader is kind "header": the field Name with the value Value.
func compileHeader(s Spec) (Injection, error) {
	if s.Username != "" || s.Password != "" {
		return Injection{}, fmt.Errorf("header: has name and value, no username or password")
	}
	if err := checkHeaderName(s.Name); err != nil {
		return Injection{}, err
	}
	if strings.Trim(s.Value, " ") != s.Value {
		return Injection{}, fmt.Errorf("header: value starts or ends with a space")
	}
	value, err := parseText(s.Value)
	if err != nil {
		return Injection{}, fmt.Errorf("header: value: %w", err)
	}
	return Injection{
		fields: fields(value),
		sent:   func(r *http.Request) []string { return headerValues(r.Header, s.Name) },
		strip:  func(r *http.Request) { removeHeader(r, s.Name) },
		apply: func(r *http.Request, c credential.Credential) ([]string, error) {
			return applyHeader(r, c, s.Name, value)
		},
	}, nil
}

func checkHeaderName(name string) error {
	lower := strings.ToLower(name)
	if !httpguts.ValidHeaderFieldName(name) {
		return fmt.Errorf("header: name %q is not a header field name (RFC 9110 section 5.1)", name)
	}
	if slices.Contains(reserved, fold(lower)) || slices.ContainsFunc(reservedPrefixes, func(p string) bool { return strings.HasPrefix(fold(lower), p) }) {
		return fmt.Errorf("header: name %q may not be set by an injection", name)
	}
	return nil
}

func applyHeader(r *http.Request, c credential.Credential, name string, value text) ([]string, error) {
	whole, secrets, err := value.render(c)
	if err != nil {
		return nil, err
	}
	r.Header[http.CanonicalHeaderKey(name)] = []string{whole}
	return append(secrets, whole), nil
}

// fold makes header names equal that servers may take for one another: the
// gateways of CGI (RFC 3875 section 4.1.18) can't tell - from _.
func fold(name string) string {
	return strings.ReplaceAll(strings.ToLower(name), "_", "-")
}

// SameField reports whether a and b name one field for some server, as fold
// has it. It is asked about every field of every request.
func SameField(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if foldByte(a[i]) != foldByte(b[i]) {
			return false
		}
	}
	return true
}

func foldByte(c byte) byte {
	switch {
	case 'A' <= c && c <= 'Z':
		return c + 'a' - 'A'
	case c == '_':
		return '-'
	}
	return c
}

// headerValues returns every copy of the named field, whatever its spelling.
func headerValues(h http.Header, name string) []string {
	var values []string
	for key, vs := range h {
		if SameField(key, name) {
			values = append(values, vs...)
		}
	}
	return values
}

// removeHeader removes every copy of the named field from head and trailer.
func removeHeader(r *http.Request, name string) {
	for _, h := range []http.Header{r.Header, r.Trailer} {
		for key := range h {
			if SameField(key, name) {
				delete(h, key)
			}
		}
	}
}

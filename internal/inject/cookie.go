package inject

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"authsome/internal/credential"
)

// compileCookie is kind "cookie": the cookie Name with the value Value (RFC
// 6265 section 4.2), beside the cookies that the client sends itself.
func compileCookie(s Spec) (Injection, error) {
	if s.Username != "" || s.Password != "" {
		return Injection{}, fmt.Errorf("cookie: has name and value, no username or password")
	}
	if !httpguts.ValidHeaderFieldName(s.Name) {
		return Injection{}, fmt.Errorf("cookie: name %q is not a token (RFC 6265 section 4.1.1)", s.Name)
	}
	value, err := parseText(s.Value)
	if err != nil {
		return Injection{}, fmt.Errorf("cookie: value: %w", err)
	}
	if !isCookieValue(value.sample(Placeholder)) {
		return Injection{}, fmt.Errorf("cookie: value %q holds a character that no cookie can", s.Value)
	}
	return Injection{
		fields: fields(value),
		sent:   func(r *http.Request) []string { return cookieValues(r, s.Name) },
		strip:  func(r *http.Request) { removeCookie(r, s.Name) },
		apply: func(r *http.Request, c credential.Credential) ([]string, error) {
			return applyCookie(r, c, s.Name, value)
		},
	}, nil
}

func applyCookie(r *http.Request, c credential.Credential, name string, value text) ([]string, error) {
	whole, secrets, err := value.render(c)
	if err != nil {
		return nil, err
	}
	if !isCookieValue(whole) {
		return nil, fmt.Errorf("%w: it holds a character that no cookie can", credential.ErrInvalid)
	}
	setCookies(r, append(cookies(r), name+"="+whole))
	return append(secrets, whole), nil
}

// isCookieValue reports whether s is made of cookie-octets (RFC 6265 section
// 4.1.1): what else there is ends the cookie or is read in two ways.
func isCookieValue(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`",;\`, r) })
}

// cookies returns the pairs the client sent, as they are but for the white
// space around them: HTTP/2 may bring them in several fields.
func cookies(r *http.Request) []string {
	var all []string
	for _, field := range headerValues(r.Header, "Cookie") {
		for pair := range strings.SplitSeq(field, ";") {
			if pair = strings.Trim(pair, " \t"); pair != "" {
				all = append(all, pair)
			}
		}
	}
	return all
}

func setCookies(r *http.Request, pairs []string) {
	removeHeader(r, "Cookie")
	if len(pairs) > 0 {
		r.Header["Cookie"] = []string{strings.Join(pairs, "; ")}
	}
}

func removeCookie(r *http.Request, name string) {
	if sent := cookies(r); len(sent) > 0 {
		setCookies(r, slices.DeleteFunc(sent, func(pair string) bool { return isCookie(pair, name) }))
	}
}

// isCookie reports whether a server could take pair for the cookie name. Some
// servers split at commas too (RFC 2965), and compare names without case.
func isCookie(pair, name string) bool {
	for part := range strings.SplitSeq(pair, ",") {
		key, _, _ := strings.Cut(part, "=")
		if strings.EqualFold(strings.Trim(key, " \t"), name) {
			return true
		}
	}
	return false
}

// cookieValues returns every value of the named cookie, without quotes.
func cookieValues(r *http.Request, name string) []string {
	var values []string
	for _, pair := range cookies(r) {
		if isCookie(pair, name) {
			_, value, _ := strings.Cut(pair, "=")
			values = append(values, strings.Trim(value, `" `+"\t"))
		}
	}
	return values
}

package inject

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"authsome/internal/credential"
)

// compileQuery is kind "query": the parameter Name with the value Value. It is
// for services that take the key nowhere else: a key in a URL ends up in the
// service's own logs.
func compileQuery(s Spec) (Injection, error) {
	if s.Username != "" || s.Password != "" {
		return Injection{}, fmt.Errorf("query: has name and value, no username or password")
	}
	if s.Name == "" || url.QueryEscape(s.Name) != s.Name {
		return Injection{}, fmt.Errorf("query: name %q is not a plain parameter name", s.Name)
	}
	value, err := parseText(s.Value)
	if err != nil {
		return Injection{}, fmt.Errorf("query: value: %w", err)
	}
	return Injection{
		fields: fields(value),
		sent:   func(r *http.Request) []string { return queryValues(r.URL.RawQuery, s.Name) },
		strip:  func(r *http.Request) { removeParameter(r, s.Name) },
		apply: func(r *http.Request, c credential.Credential) ([]string, error) {
			return applyQuery(r, c, s.Name, value)
		},
	}, nil
}

func applyQuery(r *http.Request, c credential.Credential, name string, value text) ([]string, error) {
	whole, secrets, err := value.render(c)
	if err != nil {
		return nil, err
	}
	r.URL.RawQuery = strings.Join(append(pairs(r.URL.RawQuery), name+"="+url.QueryEscape(whole)), "&")
	return append(secrets, whole), nil
}

func removeParameter(r *http.Request, name string) {
	r.URL.RawQuery = withoutParameter(r.URL.RawQuery, name)
}

// withoutParameter is a raw query, or a form, less every value of a parameter.
func withoutParameter(raw, name string) string {
	kept := slices.DeleteFunc(pairs(raw), func(pair string) bool { return isParameter(pair, name) })
	return strings.Join(kept, "&")
}

// pairs splits a raw query without decoding it, so that what is kept stays
// byte for byte what the client sent.
func pairs(raw string) []string {
	if raw == "" {
		return nil
	}
	return strings.Split(raw, "&")
}

// isParameter reports whether a server could take pair for the parameter
// name. Some servers split at ; too, and compare names without case.
func isParameter(pair, name string) bool {
	for _, part := range strings.Split(pair, ";") {
		key, _, _ := strings.Cut(part, "=")
		if strings.EqualFold(decodeParam(key), name) {
			return true
		}
	}
	return false
}

// queryValues returns every value of the named parameter, decoded.
func queryValues(raw, name string) []string {
	var values []string
	for _, pair := range pairs(raw) {
		if !isParameter(pair, name) {
			continue
		}
		_, value, _ := strings.Cut(pair, "=")
		values = append(values, decodeParam(value))
	}
	return values
}

// decodeParam decodes half a parameter; what is not encoded well is itself.
func decodeParam(s string) string {
	if decoded, err := url.QueryUnescape(s); err == nil {
		return decoded
	}
	return s
}

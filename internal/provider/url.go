package provider

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// maxURL is the longest URL in a definition, in bytes.
const maxURL = 2048

// baseURLTemplate is the only template there is. It may only begin a value.
const baseURLTemplate = "{base_url}"

// parseHTTPS reads an absolute https URL without user information or fragment.
// What its host may be is the caller's to check.
func parseHTTPS(s string) (*url.URL, error) {
	if len(s) > maxURL {
		return nil, fmt.Errorf("URL is longer than %d bytes", maxURL)
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' || strings.IndexByte("\\\"<>^`{|}", s[i]) >= 0 {
			return nil, fmt.Errorf("URL holds %q at byte %d, which must be percent-encoded", s[i], i+1)
		}
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s is not a URL", quote(s))
	case u.Scheme != "https":
		return nil, fmt.Errorf("%s is not an https:// URL", quote(s))
	case u.User != nil:
		return nil, errors.New("URL holds user information (@)")
	case u.Opaque != "" || u.Host == "":
		return nil, fmt.Errorf("%s has no host", quote(s))
	case strings.Contains(s, "#"):
		return nil, errors.New("URL holds a fragment (#)")
	}
	return u, nil
}

// checkEndpointURL accepts what an authorization server's endpoint may be: a
// query is allowed there, a fragment is not (RFC 6749 section 3.1).
func checkEndpointURL(s string) error {
	u, err := parseHTTPS(s)
	if err != nil {
		return err
	}
	if _, err := urlPort(u); err != nil {
		return err
	}
	return checkDomain(u.Hostname())
}

// checkPageURL accepts the address of a page for a human, fragment and all.
func checkPageURL(s string) error {
	page, _, _ := strings.Cut(s, "#")
	if len(s) > maxURL {
		return fmt.Errorf("URL is longer than %d bytes", maxURL)
	}
	if err := checkText(s, maxURL); err != nil {
		return err
	}
	return checkEndpointURL(page)
}

// checkBaseURL accepts the address of a self-hosted installation, which may
// have a path, and returns it without a final slash.
func checkBaseURL(s string) (string, error) {
	u, err := parseHTTPS(s)
	if err != nil {
		return "", fmt.Errorf("base URL: %w", err)
	}
	if u.RawQuery != "" || u.ForceQuery {
		return "", errors.New("base URL holds a query")
	}
	if _, err := ParseRule(s); err != nil {
		return "", fmt.Errorf("base URL: %w", err)
	}
	if strings.HasPrefix(u.Host, "*.") {
		return "", errors.New("base URL holds a wildcard")
	}
	return strings.TrimRight(s, "/"), nil
}

// checkTemplate refuses every brace but a leading {base_url}.
func checkTemplate(s string) error {
	rest := strings.TrimPrefix(s, baseURLTemplate)
	if rest != s && rest != "" && rest[0] != '/' {
		return fmt.Errorf("%s must be followed by / or nothing", baseURLTemplate)
	}
	i := strings.IndexAny(rest, "{}")
	if i < 0 {
		return nil
	}
	if strings.HasPrefix(rest[i:], baseURLTemplate) {
		return fmt.Errorf("%s may only stand at the beginning, once", baseURLTemplate)
	}
	return fmt.Errorf("template %s is unknown; there is only %s", quote(rest[i:]), baseURLTemplate)
}

// fill replaces the template in s.
func fill(s, base string) string {
	if rest, ok := strings.CutPrefix(s, baseURLTemplate); ok && base != "" {
		return base + rest
	}
	return s
}

package oauth

import (
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// maxURL is the longest URL that is accepted from anyone, in bytes.
const maxURL = 4096

// CheckURL accepts an absolute https URL of printable ASCII, with a host and
// without user information or fragment (RFC 6749 sections 3.1 and 3.2; a
// query is allowed). Such a URL is also safe to show and to open. The error
// wraps ErrURL and does not quote the URL.
func (c *Client) CheckURL(s string) error {
	u, err := parseURL(s)
	if err != nil {
		return err
	}
	if u.Scheme == "https" || u.Scheme == "http" && c.LoopbackHTTP && isLoopback(u.Hostname()) {
		return nil
	}
	return fmt.Errorf("%w: not https", ErrURL)
}

// parseURL checks all but the scheme.
func parseURL(s string) (*url.URL, error) {
	if len(s) > maxURL {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrURL, maxURL)
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' || strings.IndexByte("\\\"<>^`{|}", s[i]) >= 0 {
			return nil, fmt.Errorf("%w: byte %d must be percent-encoded", ErrURL, i+1)
		}
	}
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Opaque != "" || u.Hostname() == "":
		return nil, fmt.Errorf("%w: not an absolute URL with a host", ErrURL)
	case u.User != nil:
		return nil, fmt.Errorf("%w: holds user information", ErrURL)
	case strings.Contains(s, "#"):
		return nil, fmt.Errorf("%w: holds a fragment", ErrURL)
	case !isHost(u.Hostname()) || !isPort(u):
		return nil, fmt.Errorf("%w: malformed host or port", ErrURL)
	}
	return u, nil
}

// isHost accepts an IP address or a name of letters, digits, dots and hyphens.
func isHost(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	for i := range len(host) {
		b := host[i] | 0x20
		if !(b >= 'a' && b <= 'z' || host[i] >= '0' && host[i] <= '9' || host[i] == '-' || host[i] == '.' || host[i] == '_') {
			return false
		}
	}
	return true
}

// isPort accepts a port that is absent or in 1–65535.
func isPort(u *url.URL) bool {
	port := u.Port()
	if port == "" {
		return !strings.HasSuffix(u.Host, ":")
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0
}

// isLoopback reports whether host names this machine.
func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

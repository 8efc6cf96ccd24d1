package proxy

import (
	"iter"
	"net/http"
	"net/textproto"
	"strings"
)

// hopByHop is what concerns one connection only (RFC 9110 section 7.6.1), and
// what clients send although it should be.
var hopByHop = []string{
	"Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Http2-Settings",
}

// stripHop removes the fields that go no further than this connection: the
// known ones, every Proxy field, and those that Connection names. What
// describes the message itself stays although Connection names it.
func stripHop(h http.Header) {
	for name := range tokens(h["Connection"]) {
		switch name = textproto.CanonicalMIMEHeaderKey(name); name {
		case "Host", "Content-Length", "Content-Type", "Content-Encoding", "Content-Range":
		default:
			delete(h, name)
		}
	}
	for _, name := range hopByHop {
		delete(h, name)
	}
	for name := range h {
		if strings.HasPrefix(name, "Proxy-") {
			delete(h, name)
		}
	}
}

// tokens are the members of comma-separated lists.
func tokens(values []string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, value := range values {
			for member := range strings.SplitSeq(value, ",") {
				if member = strings.Trim(member, " \t"); member != "" && !yield(member) {
					return
				}
			}
		}
	}
}

func hasToken(values []string, token string) bool {
	for member := range tokens(values) {
		if strings.EqualFold(member, token) {
			return true
		}
	}
	return false
}

// mayTrail reports whether a field of that canonical name may stand in a
// trailer section: not what frames, routes, authenticates or controls the
// message (RFC 9110 section 6.5.1).
func mayTrail(name string) bool {
	name = strings.ReplaceAll(name, "_", "-")
	for _, prefix := range []string{"Proxy-", "Content-", "If-", "X-Forwarded-", "Sec-"} {
		if strings.HasPrefix(name, prefix) {
			return false
		}
	}
	switch name {
	case "Authorization", "Cookie", "Set-Cookie", "Www-Authenticate", "Host", "Forwarded", "Expect", "Range",
		"Max-Forwards", "Cache-Control", "Location", "Trailer", "Transfer-Encoding", "Connection", "Keep-Alive",
		"Te", "Upgrade", "Http2-Settings", "Age", "Date", "Expires", "Vary", "Retry-After":
		return false
	}
	return true
}

// deleteField deletes the field in every spelling.
func deleteField(h http.Header, name string) {
	for key := range h {
		if sameField(key, name) {
			delete(h, key)
		}
	}
}

// sameField reports whether a and b name one field to some server: CGI and
// its descendants take _ for -.
func sameField(a, b string) bool {
	return len(a) == len(b) && strings.EqualFold(strings.ReplaceAll(a, "_", "-"), strings.ReplaceAll(b, "_", "-"))
}

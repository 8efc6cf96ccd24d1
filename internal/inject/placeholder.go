package inject

import (
	"net/http"
	"slices"
	"strings"
)

// Placeholder is the value a child gets in place of a credential. It is the
// same for everybody and opens nothing.
const Placeholder = "authsome-proxy-managed"

// FindPlaceholder looks for the placeholder in a value that a client sent.
// "authsome-proxy-managed:NAME" and "authsome-proxy-managed:PROVIDER/NAME"
// name a connection: selector is then all that stands behind the colon, also
// what can't be a name, for it must not be taken for another one; else "".
func FindPlaceholder(value string) (selector string, ok bool) {
	_, rest, ok := strings.Cut(value, Placeholder)
	if !ok || !strings.HasPrefix(rest, ":") {
		return "", ok
	}
	return rest[1:], true
}

// stripAuthorization removes every Authorization that holds a placeholder,
// bare or inside a Basic pair: it is no credential and must not be taken for
// one.
func stripAuthorization(r *http.Request) {
	for key, values := range r.Header {
		if !SameField(key, "Authorization") {
			continue
		}
		for _, value := range values {
			username, password, _ := decodeBasic(value)
			if strings.Contains(value+" "+username+" "+password, Placeholder) {
				delete(r.Header, key)
				break
			}
		}
	}
}

// stripProtocols does the same to members of Sec-WebSocket-Protocol.
func stripProtocols(r *http.Request) {
	for key, values := range r.Header {
		if !SameField(key, protocolField) || !strings.Contains(strings.Join(values, ","), Placeholder) {
			continue
		}
		members := slices.DeleteFunc(strings.Split(strings.Join(values, ","), ","), func(member string) bool {
			return strings.Contains(member, Placeholder)
		})
		if r.Header[key] = []string{strings.TrimSpace(strings.Join(members, ","))}; len(members) == 0 {
			delete(r.Header, key)
		}
	}
}

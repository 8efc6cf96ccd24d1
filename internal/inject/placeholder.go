package inject

import (
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
)

// Placeholder is the value a child gets in place of a credential. It is the
// same for everybody and opens nothing.
const Placeholder = "authsome-proxy-managed"

// spellings are Placeholder as it is, for keys without dashes, and for keys of
// 40 hexadecimal digits, which have room for 20 of its characters; and what
// stands for the ID of a key.
var spellings = [...]string{Placeholder, "authsome_proxy_managed", hex.EncodeToString([]byte("authsome-proxy-manag")), KeyIDPlaceholder}

// Spellings returns Placeholder and what stands for it in other alphabets.
func Spellings() []string { return slices.Clone(spellings[:]) }

// IsShape reports whether s can stand for a credential in a child's environment:
// a prefix like those of a vendor's keys, which clients look at, and Placeholder
// in one of its spellings.
func IsShape(s string) bool {
	for _, spelling := range spellings {
		if prefix, ok := strings.CutSuffix(s, spelling); ok {
			return isShapePrefix(prefix)
		}
	}
	return false
}

// maxShapePrefix is the longest prefix of a shaped placeholder, in bytes.
const maxShapePrefix = 64

func isShapePrefix(s string) bool { return len(s) <= maxShapePrefix && isPlain(s, "_.-") }

// HasPlaceholder reports whether s holds the placeholder, in any spelling and
// with any prefix.
func HasPlaceholder(s string) bool {
	_, ok := FindPlaceholder(s)
	return ok
}

// FindPlaceholder looks for the placeholder in a value that a client sent.
// "authsome-proxy-managed:NAME" and "authsome-proxy-managed:PROVIDER/NAME"
// name a connection: selector is then all that stands behind the colon, also
// what can't be a name, for it must not be taken for another one; else "".
func FindPlaceholder(value string) (selector string, ok bool) {
	for _, spelling := range spellings {
		if _, rest, ok := strings.Cut(value, spelling); ok {
			selector, named := strings.CutPrefix(rest, ":")
			if !named {
				selector = ""
			}
			return selector, true
		}
	}
	return "", false
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
			if HasPlaceholder(value + " " + username + " " + password) {
				delete(r.Header, key)
				break
			}
		}
	}
}

// stripProtocols does the same to members of Sec-WebSocket-Protocol.
func stripProtocols(r *http.Request) {
	for key, values := range r.Header {
		if !SameField(key, protocolField) || !HasPlaceholder(strings.Join(values, ",")) {
			continue
		}
		members := slices.DeleteFunc(strings.Split(strings.Join(values, ","), ","), func(member string) bool {
			return HasPlaceholder(member)
		})
		if r.Header[key] = []string{strings.TrimSpace(strings.Join(members, ","))}; len(members) == 0 {
			delete(r.Header, key)
		}
	}
}

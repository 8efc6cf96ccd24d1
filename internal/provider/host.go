package provider

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// maxHost is the longest host name in presentation form (RFC 1035 section
// 2.3.4 leaves 253 bytes of text).
const maxHost = 253

// canonicalHost returns host as rules know it: lower case, without the final
// dot of a fully qualified name, an IPv6 literal without brackets. ok is false
// for anything that is neither an ASCII host name nor an IP literal; no rule
// matches that.
func canonicalHost(host string) (name string, ok bool) {
	host = strings.TrimSuffix(host, ".")
	if host == "" || len(host) > maxHost {
		return "", false
	}
	if strings.ContainsRune(host, ':') {
		addr, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"))
		return addr.String(), err == nil && addr.Zone() == ""
	}
	for label := range strings.SplitSeq(host, ".") {
		if !isLabel(label) {
			return "", false
		}
	}
	return strings.ToLower(host), true
}

// isLabel reports whether s can be a label of a host that is asked for. The
// underscore is no host name character, but names with one exist.
func isLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		if !isAlphanumeric(s[i]) && s[i] != '-' && s[i] != '_' {
			return false
		}
	}
	return true
}

func isAlphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// checkDomain refuses a name that no single owner stands behind: a bare label,
// a public suffix, an address in disguise. A rule's literal part passes it.
func checkDomain(name string) error { return checkOwned(name, registrable) }

// ownership returns the domain that the owner of a name registered: see
// registrable and registered.
type ownership func(name string) string

func checkOwned(name string, ownerOf ownership) error {
	switch canonical, ok := canonicalHost(name); {
	case name == "":
		return errors.New("the host is missing")
	case !isASCII(name):
		return fmt.Errorf("host %s is not ASCII; write its xn-- form", quote(name))
	case !ok || strings.Contains(name, "_") || strings.HasSuffix(name, "."):
		return fmt.Errorf("host %s is not a host name", quote(name))
	case strings.Contains(name, ":") || isNumeric(canonical):
		return fmt.Errorf("host %s is an IP address; only the host of a URL may be one, as https://192.0.2.1", quote(name))
	case !strings.Contains(name, "."):
		return fmt.Errorf("host %s has no dot: a bare top-level domain or local name is too broad", quote(name))
	case ownerOf(canonical) == "":
		return fmt.Errorf("host %s is a public suffix: strangers can register names below it", quote(name))
	}
	return nil
}

// isNumeric reports whether the last label of name is a number, which some
// resolvers take for an IPv4 address (127.1, 0x7f.1).
func isNumeric(name string) bool {
	last := name[strings.LastIndexByte(name, '.')+1:]
	if strings.HasPrefix(last, "0x") {
		return true
	}
	return strings.Trim(last, "0123456789") == ""
}

// registrable returns the domain that the owner of name registered, by the
// public suffix list with its private part (a hosting service counts as a suffix), or
// "" when name is itself a suffix or not a name at all.
func registrable(name string) string {
	domain, err := publicsuffix.EffectiveTLDPlusOne(name)
	if err != nil {
		return ""
	}
	return domain
}

// registered is registrable by the part of the list that registries keep: a
// hosting service that lets strangers have names below its own does not count
// as a suffix. "" for a suffix.
func registered(name string) string {
	suffix, icann := publicsuffix.PublicSuffix(name)
	for !icann && strings.Contains(suffix, ".") {
		_, above, _ := strings.Cut(suffix, ".")
		suffix, icann = publicsuffix.PublicSuffix(above)
	}
	rest, ok := strings.CutSuffix(name, "."+suffix)
	if !ok {
		return ""
	}
	return rest[strings.LastIndexByte(rest, '.')+1:] + "." + suffix
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

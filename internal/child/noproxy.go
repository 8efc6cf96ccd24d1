package child

import (
	"fmt"
	"net/netip"
	"path"
	"runtime"
	"strings"
)

// NoProxyValue is what a child's NO_PROXY is with this inherited environment
// and these routed hosts, for programs that have it in a file.
func NoProxyValue(base, routed []string) string {
	b := &builder{goos: runtime.GOOS, settings: Settings{RoutedHosts: routed}, inherited: base}
	return b.noProxyValue()
}

// noProxy returns inherited, the user's NO_PROXY entries, without those that
// would let a client reach one of routed around the proxy, plus the loopback
// names, each entry once. Each removal has a warning.
//
// There is no standard for these entries, so the question is whether any
// client could take one for a routed host: with or without a leading dot or
// star, whatever its port, and by text alone, for Python's requests lets
// "hub.com" match "github.com". IPv6 addresses lose their brackets, and IPv6
// networks go: both crash Python's httpx.
func noProxy(inherited string, routed []string) (value string, warnings []string) {
	var kept []string
	seen := map[string]bool{}
	keep := func(entry string) {
		if !seen[entry] {
			seen[entry] = true
			kept = append(kept, entry)
		}
	}
	warned := map[string]bool{}
	for _, entry := range strings.FieldsFunc(inherited, isSeparator) {
		entry, reason := normalize(entry)
		if host := bypassed(entry, routed); host != "" {
			reason = fmt.Sprintf("would let %s bypass the proxy", host)
		}
		switch {
		case reason == "":
			keep(entry)
		case !warned[entry]:
			warned[entry] = true
			warnings = append(warnings, fmt.Sprintf("NO_PROXY entry %.80q left out: it %s", entry, reason))
		}
	}
	for _, entry := range []string{"localhost", "127.0.0.1", "::1"} {
		if bypassed(entry, routed) == "" { // a rule may name a loopback host
			keep(entry)
		}
	}
	return strings.Join(kept, ","), warnings
}

func isSeparator(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' || r == '\r' }

// normalize returns entry in the one form all clients survive, or the reason
// why it has none.
func normalize(entry string) (_, reason string) {
	if inner, ok := strings.CutPrefix(entry, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		if _, err := netip.ParseAddr(inner); !ok || err != nil {
			return entry, "has brackets, which crash some clients"
		}
		return inner, ""
	}
	if strings.Contains(entry, "/") && strings.Count(entry, ":") > 1 {
		return entry, "is an IPv6 network, which crashes some clients"
	}
	return entry, ""
}

// bypassed returns one of routed that some client would not send through the
// proxy because of entry, or "".
func bypassed(entry string, routed []string) string {
	for _, host := range routed {
		if covers(entry, host) {
			return host
		}
	}
	return ""
}

func covers(entry, host string) bool {
	if network, err := netip.ParsePrefix(entry); err == nil {
		ip, err := netip.ParseAddr(host)
		return err == nil && network.Masked().Contains(ip)
	}
	pattern := strings.TrimSuffix(strings.ToLower(withoutPort(entry)), ".")
	suffix := strings.TrimLeft(pattern, "*.")
	if suffix == "" {
		return strings.Contains(pattern, "*")
	}
	if base, wildcard := strings.CutPrefix(host, "*."); wildcard {
		below := strings.HasSuffix(suffix, "."+base)
		return below || strings.HasSuffix("."+base, suffix) || glob(pattern, base) || glob(pattern, "x."+base)
	}
	return strings.HasSuffix(host, suffix) || glob(pattern, host)
}

// glob matches patterns with stars inside ("api.*.com"), as some clients do.
func glob(pattern, host string) bool {
	ok, err := path.Match(pattern, host)
	return ok && err == nil
}

// withoutPort cuts ":port" from a name or IPv4 address; an IPv6 address has
// more than one colon.
func withoutPort(entry string) string {
	if host, _, ok := strings.Cut(entry, ":"); ok && strings.Count(entry, ":") == 1 {
		return host
	}
	return entry
}

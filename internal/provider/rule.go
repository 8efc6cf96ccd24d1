package provider

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// Kind is how a rule names its hosts.
type Kind uint8

// The kinds, least specific first.
const (
	Regex    Kind = iota + 1 // regex:^api[0-9]+\.example\.com$
	Wildcard                 // *.example.com: one or more labels before it
	Exact                    // api.example.com, or an IP literal in a URL
)

// String returns "regex", "wildcard" or "exact".
func (k Kind) String() string {
	return [...]string{"none", "regex", "wildcard", "exact"}[k]
}

// Rule says which requests a provider's credential belongs to. Rules come from
// ParseRule only; they are always https.
type Rule struct {
	Kind Kind
	Host string // exact: the host; wildcard: the domain behind "*."; regex: the pattern as written
	Port uint16 // 443 unless the rule names another
	Path string // prefix, whole segments, without final slash, where * is any one and ** one or more; "" for every path

	pattern *regexp.Regexp // regex only: anchored, without case
	tails   []tail         // regex only: what every match ends in
	ownerOf ownership      // regex only
}

// maxRule is the longest rule, in bytes.
const maxRule = 1 << 10

// ParseRule reads one entry of host_url: a host (api.example.com, optionally
// with :port), a wildcard (*.example.com), an https URL whose path is a prefix,
// or regex: and an RE2 pattern for the whole host. It refuses rules that
// could match hosts of more than one owner.
func ParseRule(s string) (Rule, error) {
	if len(s) > maxRule {
		return Rule{}, fmt.Errorf("host rule is longer than %d bytes", maxRule)
	}
	if pattern, ok := cutPrefixFold(s, "regex:"); ok {
		return parsePattern(pattern, registrable)
	}
	if strings.Contains(s, "://") {
		return parseURLRule(s)
	}
	return parseHostRule(s)
}

// cutPrefixFold is strings.CutPrefix without case.
func cutPrefixFold(s, prefix string) (rest string, ok bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

func parseHostRule(s string) (Rule, error) {
	switch {
	case s == "":
		return Rule{}, errors.New("host rule is empty")
	case strings.Contains(s, "@"):
		return Rule{}, errors.New("host rule holds user information (@)")
	case strings.ContainsAny(s, "/?#"):
		return Rule{}, fmt.Errorf("host rule %s has a path but no scheme; write it as an https:// URL", quote(s))
	}
	host, port, err := splitPort(s)
	if err != nil {
		return Rule{}, err
	}
	return newRule(host, port, "")
}

// splitPort splits "host" or "host:port".
func splitPort(s string) (host string, port uint16, err error) {
	host, digits, found := strings.Cut(s, ":")
	if !found {
		return host, 443, nil
	}
	port, err = parsePort(digits)
	return host, port, err
}

// parsePort reads a decimal port without sign or leading zero.
func parsePort(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 || s[0] == '0' || s[0] == '+' {
		return 0, fmt.Errorf("port %s is not a number from 1 to 65535", quote(s))
	}
	return uint16(n), nil
}

func parseURLRule(s string) (Rule, error) {
	u, err := parseHTTPS(s)
	if err != nil {
		return Rule{}, err
	}
	if u.RawQuery != "" || u.ForceQuery {
		return Rule{}, errors.New("host rule holds a query")
	}
	port, err := urlPort(u)
	if err != nil {
		return Rule{}, err
	}
	path, err := rulePath(u)
	if err != nil {
		return Rule{}, err
	}
	if host, ok := literalHost(u.Hostname()); ok {
		return Rule{Kind: Exact, Host: host, Port: port, Path: path}, nil
	}
	return newRule(u.Hostname(), port, path)
}

// urlPort returns the port of an https URL.
func urlPort(u *url.URL) (uint16, error) {
	if u.Port() == "" {
		if strings.HasSuffix(u.Host, ":") {
			return 0, errors.New("port is missing after the colon")
		}
		return 443, nil
	}
	return parsePort(u.Port())
}

// rulePath returns the path prefix of a rule's URL, which must be written in
// its normal form: every other spelling would be a rule nobody can predict.
func rulePath(u *url.URL) (string, error) {
	raw := strings.TrimSuffix(u.EscapedPath(), "/")
	if raw == "" {
		return "", nil
	}
	if err := checkWildcards(raw); err != nil {
		return "", err
	}
	if path, plain := readPath(raw); !plain || path.decoded != raw || strings.HasSuffix(raw, "/") || strings.Contains(raw, "%") {
		return "", fmt.Errorf("path %s is not in normal form: no dot segments, empty segments, parameters or percent-encoding", quote(raw))
	}
	return raw, nil
}

// literalHost returns the canonical form of a unicast IP literal or localhost,
// the hosts that only a URL may name.
func literalHost(host string) (string, bool) {
	if strings.EqualFold(host, "localhost") {
		return "localhost", true
	}
	addr, err := netip.ParseAddr(host)
	if err != nil || addr.Zone() != "" || addr.Is4In6() || addr.IsUnspecified() || addr.IsMulticast() || addr.IsLinkLocalUnicast() {
		return "", false
	}
	return addr.String(), true
}

func newRule(host string, port uint16, path string) (Rule, error) {
	if domain, ok := strings.CutPrefix(host, "*."); ok {
		if err := checkDomain(domain); err != nil {
			return Rule{}, fmt.Errorf("wildcard: %w", err)
		}
		return Rule{Kind: Wildcard, Host: strings.ToLower(domain), Port: port, Path: path}, nil
	}
	if strings.Contains(host, "*") {
		return Rule{}, fmt.Errorf("host rule %s: a wildcard is written *.example.com, with nothing else before the domain", quote(host))
	}
	if err := checkDomain(host); err != nil {
		return Rule{}, err
	}
	return Rule{Kind: Exact, Host: strings.ToLower(host), Port: port, Path: path}, nil
}

// String returns the rule so that ParseRule reads it back.
func (r Rule) String() string {
	host := r.Host
	switch {
	case r.Kind == Regex:
		return "regex:" + host
	case r.Kind == Wildcard:
		host = "*." + host
	case strings.Contains(host, ":"):
		host = "[" + host + "]"
	}
	_, literal := literalHost(r.Host)
	if r.Port != 443 {
		host += ":" + strconv.Itoa(int(r.Port))
	}
	if r.Path != "" || literal {
		return "https://" + host + r.Path
	}
	return host
}

// Match reports whether a request belongs to the rule. path is the raw path of
// its target, with or without query; a path that servers could read in two
// ways matches no rule that has a path.
func (r Rule) Match(host string, port uint16, path string) bool {
	name, ok := canonicalHost(host)
	if !ok || !r.matchHost(name) || port != r.Port {
		return false
	}
	if r.Path == "" {
		return true
	}
	read, plain := readPath(path)
	below, clear := read.below(r.Path)
	return plain && below && clear
}

// matchHost takes a canonical host.
func (r Rule) matchHost(name string) bool {
	switch r.Kind {
	case Exact:
		return name == r.Host
	case Wildcard:
		return strings.HasSuffix(name, "."+r.Host) && registrable(name) == registrable(r.Host)
	case Regex:
		return r.pattern.MatchString(name) && r.owns(name)
	}
	return false
}

// Suffixes returns the literal host endings of the rule, one of which every
// host it matches equals or lies below.
func (r Rule) Suffixes() []string {
	if r.Kind != Regex {
		return []string{r.Host}
	}
	suffixes := make([]string, len(r.tails))
	for i, t := range r.tails {
		suffixes[i] = t.domain()
	}
	return suffixes
}

// Hosts returns the rule's hosts as a certificate authority's name constraints
// want them: "api.example.com", "*.example.com", an IP literal. A regex is
// widened to its literal endings.
func (r Rule) Hosts() []string {
	if r.Kind == Exact {
		return []string{r.Host}
	}
	if r.Kind == Wildcard {
		return []string{"*." + r.Host}
	}
	var hosts []string
	for _, t := range r.tails {
		hosts = append(hosts, t.domain())
		if !t.whole {
			hosts = append(hosts, "*."+t.domain())
		}
	}
	return hosts
}

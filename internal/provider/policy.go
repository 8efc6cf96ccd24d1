package provider

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
)

// What a rule of a policy, and its end, may say.
const (
	PolicyAllow = "allow"
	PolicyDeny  = "deny"
)

// Policy says which requests may leave: the first rule that fits decides. It
// comes from ParsePolicy only, and a nil one allows everything. A path that
// servers could read in two ways is refused where a rule's path is asked about.
type Policy struct {
	Rules     []PolicyRule
	Otherwise string // PolicyAllow or PolicyDeny: where no rule fits

	scoped bool // some rule has a path
}

// PolicyRule is one rule. What it leaves out fits every request.
type PolicyRule struct {
	Decision string   `json:"decision"`
	Methods  []string `json:"methods,omitempty"` // in capitals
	Host     []string `json:"host,omitempty"`    // HOST or *.HOST, each with any port or with :PORT
	Path     []string `json:"path,omitempty"`    // whole paths; a segment * stands for any one, at the end for all below
	Reason   string   `json:"reason,omitempty"`  // for whoever is refused

	hosts []policyHost
	paths []policyPath
}

// policyHost is one entry of PolicyRule.Host.
type policyHost struct {
	name  string // canonical
	below bool   // the names below it, not the name itself
	port  uint16 // 0 for any
}

// policyPath is one entry of PolicyRule.Path in segments, as written and
// folded.
type policyPath struct{ exact, folded []string }

// Verdict is what a policy says about one request.
type Verdict struct {
	Allowed bool
	Rule    int    // that decided, 1 for the first; 0 for none
	Reason  string // of the rule, or why it can't be told whether the rule fits; may be ""
}

// fit is how a rule fits a request that servers could read in several ways.
type fit int

const (
	fitsNone fit = iota // in no reading
	fitsSome            // in some, or nobody can tell
	fitsAll
)

// question is a request as a policy looks at it.
type question struct {
	host    string
	port    uint16
	methods []string
	raw     string     // the path as sent
	plain   bool       // it has one meaning but for encoded slashes
	exact   [][]string // its readings in segments
	folded  [][]string // what some server could take them for
}

// Decide is for a request whose method and path can be seen. methods are all
// that some server could take for its method, as they were sent; rawPath is
// the path as sent. A rule that fits in one reading of the request only
// refuses it, whatever the rule says.
func (p *Policy) Decide(host string, port uint16, methods []string, rawPath string) Verdict {
	if p == nil {
		return Verdict{Allowed: true}
	}
	q := question{host: policyName(host), port: port, methods: methods}
	if p.scoped {
		q.read(rawPath)
	}
	for i := range p.Rules {
		if f := p.Rules[i].fit(&q); f != fitsNone {
			return p.Rules[i].verdict(i+1, f, "servers could read this request in two ways, and the rule allows one of them")
		}
	}
	return Verdict{Allowed: p.Otherwise == PolicyAllow}
}

// DecideHost is for what can't be looked into: a blind tunnel, or cleartext. A
// rule without a host is not about that; one with its host and a method or
// path refuses it.
func (p *Policy) DecideHost(host string, port uint16) Verdict {
	if p == nil {
		return Verdict{Allowed: true}
	}
	name := policyName(host)
	for i := range p.Rules {
		rule := &p.Rules[i]
		if len(rule.hosts) == 0 || !rule.fitsHost(name, port) {
			continue
		}
		f := fitsAll
		if len(rule.Methods) > 0 || len(rule.paths) > 0 {
			f = fitsSome
		}
		return rule.verdict(i+1, f, "method and path can't be seen where no connected provider claims the host")
	}
	return Verdict{Allowed: p.Otherwise == PolicyAllow}
}

// policyName is host in the one spelling that rules have.
func policyName(host string) string {
	if name, ok := canonicalHost(host); ok {
		return name
	}
	return ""
}

func (r *PolicyRule) verdict(number int, f fit, unclear string) Verdict {
	if f == fitsSome && (r.Decision == PolicyAllow || r.Reason == "") {
		return Verdict{Rule: number, Reason: unclear}
	}
	return Verdict{Allowed: r.Decision == PolicyAllow, Rule: number, Reason: r.Reason}
}

// read finds the meanings of a path.
func (q *question) read(raw string) {
	path, plain := readPath(raw)
	q.plain = plain
	segments, _ := resolveSegments(path.decoded)
	q.exact = [][]string{segments}
	q.folded = [][]string{foldSegments(raw, false)}
	if strings.Contains(raw, "%") {
		kept, _ := resolveSegments(path.kept)
		q.exact = append(q.exact, kept)
		q.folded = append(q.folded, foldSegments(raw, true))
	}
}

func (r *PolicyRule) fit(q *question) fit {
	if len(r.hosts) > 0 && !r.fitsHost(q.host, q.port) {
		return fitsNone
	}
	return min(r.fitMethods(q.methods), r.fitPath(q))
}

func (r *PolicyRule) fitsHost(name string, port uint16) bool {
	return slices.ContainsFunc(r.hosts, func(h policyHost) bool {
		return (h.port == 0 || h.port == port) && (name == h.name && !h.below || h.below && strings.HasSuffix(name, "."+h.name))
	})
}

func (r *PolicyRule) fitMethods(methods []string) fit {
	if len(r.Methods) == 0 {
		return fitsAll
	}
	found := fitsNone
	every := true
	for _, method := range methods {
		every = every && slices.Contains(r.Methods, method)
		if slices.ContainsFunc(r.Methods, func(m string) bool { return strings.EqualFold(m, method) }) {
			found = fitsSome
		}
	}
	if every {
		return fitsAll
	}
	return found
}

func (r *PolicyRule) fitPath(q *question) fit {
	if len(r.paths) == 0 {
		return fitsAll
	}
	fits := func(same func(pattern policyPath, path []string) bool) func([]string) bool {
		return func(path []string) bool {
			return slices.ContainsFunc(r.paths, func(p policyPath) bool { return same(p, path) })
		}
	}
	exactly := fits(func(p policyPath, path []string) bool { return matchesPath(p.exact, path, false) })
	folded := fits(func(p policyPath, path []string) bool { return matchesPath(p.folded, path, true) })
	switch {
	case !q.plain:
		return fitsSome
	case !slices.ContainsFunc(q.exact, func(path []string) bool { return !exactly(path) }):
		return fitsAll
	case slices.ContainsFunc(q.folded, folded):
		return fitsSome
	}
	return fitsNone
}

// matchesPath compares in segments; formats says whether an ending like .json
// counts for nothing.
func matchesPath(pattern, path []string, formats bool) bool {
	if last := len(pattern) - 1; last >= 0 && pattern[last] == "*" && len(path) > len(pattern) {
		path = path[:len(pattern)]
	}
	if formats {
		return isPath(pattern, path)
	}
	return slices.EqualFunc(pattern, path, func(want, got string) bool { return want == "*" || want == got })
}

// MarshalJSON returns the policy as ParsePolicy reads it.
func (p *Policy) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		SchemaVersion int          `json:"schema_version"`
		Rules         []PolicyRule `json:"rules"`
		Otherwise     string       `json:"otherwise"`
	}{schemaVersion, append([]PolicyRule{}, p.Rules...), p.Otherwise})
}

// parsePolicyHost reads an entry of PolicyRule.Host.
func parsePolicyHost(s string) (policyHost, error) {
	var h policyHost
	rest, below := strings.CutPrefix(s, "*.")
	h.below = below
	if strings.ContainsAny(rest, "/@") {
		return policyHost{}, errPolicyHost
	}
	name, port, err := splitPolicyPort(rest)
	if err != nil {
		return policyHost{}, err
	}
	h.name, h.port = policyName(name), port
	if h.name == "" {
		return policyHost{}, errPolicyHost
	}
	if addr, err := netip.ParseAddr(h.name); err == nil {
		if below {
			return policyHost{}, errPolicyHost
		}
		h.name = addr.Unmap().String()
	} else if isNumeric(h.name) {
		return policyHost{}, errPolicyHost
	}
	return h, nil
}

func splitPolicyPort(s string) (name string, port uint16, err error) {
	if end := strings.LastIndexByte(s, ']'); strings.HasPrefix(s, "[") && end > 0 {
		name, s = s[:end+1], s[end+1:]
		if s == "" {
			return name, 0, nil
		}
		if s[0] != ':' {
			return "", 0, errPolicyHost
		}
		port, err = parsePort(s[1:])
		return name, port, err
	}
	if strings.Count(s, ":") > 1 { // IPv6 without brackets
		return s, 0, nil
	}
	name, digits, found := strings.Cut(s, ":")
	if found {
		port, err = parsePort(digits)
	}
	return name, port, err
}

package provider

import (
	"cmp"
	"slices"
	"strings"
	"sync"

	"authsome/internal/inject"
)

// Entry is one definition that takes part in routing. ID is the caller's: the
// provider's name, or a connection's.
type Entry struct {
	ID  string
	Def *Definition
}

// Candidate is an entry whose rule matches a request. Of two candidates the
// one with the greater Specificity is meant; equal ones are a tie, which is
// the caller's to settle.
type Candidate struct {
	ID          string
	Def         *Definition
	Rule        Rule
	Written     string             // Rule.String
	Inject      []inject.Injection // Def.InjectAt(Rule)
	Specificity int
}

// Table finds the entries a request belongs to, in a time that does not
// depend on their number. It is safe for concurrent use.
type Table struct {
	claims map[string][]Candidate // by literal host ending, see Rule.Suffixes

	mu   sync.RWMutex
	seen map[endpoint]*verdict // guarded by mu; at most maxSeen
}

// endpoint is a host as a request names it, and a port.
type endpoint struct {
	host string
	port uint16
}

// verdict is what the table knows about one endpoint.
type verdict struct {
	candidates []Candidate // best first, paths not yet looked at
	scoped     bool        // some rule has a path
}

// maxSeen bounds the memory a client can fill by asking for many hosts.
const maxSeen = 4096

// NewTable makes a table of entries. Entries that have no rules (a definition
// that still needs its base URL) are never found.
func NewTable(entries []Entry) *Table {
	t := &Table{claims: make(map[string][]Candidate, len(entries)), seen: make(map[endpoint]*verdict)}
	for _, entry := range entries {
		for _, rule := range entry.Def.Rules {
			c := Candidate{ID: entry.ID, Def: entry.Def, Rule: rule, Written: rule.String(), Inject: entry.Def.InjectAt(rule), Specificity: rule.specificity()}
			for _, suffix := range rule.Suffixes() {
				t.claims[suffix] = append(t.claims[suffix], c)
			}
		}
	}
	return t
}

// specificity orders rules: the longest path prefix first, then exact over
// wildcard over regex.
func (r Rule) specificity() int { return len(r.Path)<<2 | int(r.Kind) }

// Claims reports whether some rule could match a request to host and port,
// whatever its path.
func (t *Table) Claims(host string, port uint16) bool {
	return len(t.lookup(host, port).candidates) > 0
}

// Candidates returns the entries a request belongs to, best first, each once.
// rawPath is the path as sent; a query is ignored. It returns nothing when
// PathAmbiguous, which the caller must ask to tell that from "unclaimed". The
// slice is shared: don't change it.
func (t *Table) Candidates(host string, port uint16, rawPath string) []Candidate {
	v := t.lookup(host, port)
	if !v.scoped {
		return v.candidates
	}
	path, plain := readPath(rawPath)
	if !plain {
		return nil
	}
	var matched []Candidate
	for _, c := range v.candidates {
		below, clear := path.below(c.Rule.Path)
		if !clear {
			return nil
		}
		if below {
			matched = append(matched, c)
		}
	}
	return firstOfEach(matched)
}

// PathAmbiguous reports that a rule with a path is concerned and that servers
// could disagree about rawPath (dot segments, encoded dots, an encoded slash
// where the rule's path ends): such a request must be refused, not routed by a
// lesser rule or passed on.
func (t *Table) PathAmbiguous(host string, port uint16, rawPath string) bool {
	v := t.lookup(host, port)
	if !v.scoped {
		return false
	}
	path, plain := readPath(rawPath)
	return !plain || slices.ContainsFunc(v.candidates, func(c Candidate) bool {
		_, clear := path.below(c.Rule.Path)
		return !clear
	})
}

// Patterns returns every host the entries claim, sorted, as Rule.Hosts writes
// them: what a certificate authority for this table may be limited to.
func (t *Table) Patterns() []string {
	var hosts []string
	for _, claims := range t.claims {
		for _, c := range claims {
			hosts = append(hosts, c.Rule.Hosts()...)
		}
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

// lookup returns the verdict for an endpoint, remembered from the first time.
func (t *Table) lookup(host string, port uint16) *verdict {
	at := endpoint{host, port}
	t.mu.RLock()
	v, ok := t.seen[at]
	t.mu.RUnlock()
	if ok {
		return v
	}
	v = t.judge(host, port)
	if len(host) > maxHost+1 {
		return v
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.seen) >= maxSeen {
		clear(t.seen)
	}
	t.seen[endpoint{strings.Clone(host), port}] = v
	return v
}

// judge walks the labels of host: a rule is filed under the literal ending of
// its hosts, so one probe per label finds all that could match.
func (t *Table) judge(host string, port uint16) *verdict {
	v := &verdict{}
	name, ok := canonicalHost(host)
	if !ok {
		return v
	}
	for rest, more := name, true; more; _, rest, more = strings.Cut(rest, ".") {
		for _, c := range t.claims[rest] {
			if c.Rule.Port == port && c.Rule.matchHost(name) {
				v.candidates = append(v.candidates, c)
				v.scoped = v.scoped || c.Rule.Path != ""
			}
		}
	}
	slices.SortStableFunc(v.candidates, func(a, b Candidate) int {
		return cmp.Or(cmp.Compare(b.Specificity, a.Specificity), strings.Compare(a.ID, b.ID))
	})
	if !v.scoped {
		v.candidates = firstOfEach(v.candidates)
	}
	return v
}

// firstOfEach keeps the best candidate of each entry.
func firstOfEach(sorted []Candidate) []Candidate {
	if len(sorted) < 2 {
		return sorted
	}
	seen := make(map[string]bool, len(sorted))
	return slices.DeleteFunc(sorted, func(c Candidate) bool {
		again := seen[c.ID]
		seen[c.ID] = true
		return again
	})
}

//go:build linux

package matrix_test

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A client is a program that makes one request to Host.
type client struct {
	Name    string
	Kind    string   // its heading in the docs
	From    string   // where it comes from: "Debian 12", "npm, 24", a module
	By      string   // what of the run makes it work, see below
	Command []string // without a shell in between, unless it is one
	Host    string
	Want    string // "" for served
	Times   int    // requests it makes to Host, if not one
	Full    bool   // only in the full matrix: what it takes is big
	Cover   string // what serves a client that is not served
}

// What makes a client use the proxy and trust the run.
const (
	environment = "variables"
	nodeShim    = "Node.js shim"
	pythonShim  = "Python shim"
	files       = "variables, file" // that a variable names: wgetrc, PHP's ini, Java's trust store
	itself      = "its own options"
	nothing     = "–"
)

// Outcomes other than served: the one request arrives with the credential.
const (
	direct  = "goes around"        // it connects to its host itself
	stopped = "stops at the proxy" // it refuses the run's certificate, or does not speak as others do
)

// What serves clients that a run alone does not.
const (
	byTransparent = "the client's own proxy setting, or [export](export.md)"
	byOption      = "its own option, with `$SSL_CERT_FILE`"
	byExport      = "[export](export.md)"
	byStore       = "[ca install](ca.md)"
)

// A report is what came of a client, by the logs of the upstream and the trap.
type report struct {
	Requests int      // to the client's host
	Problems []string // of these requests: no credential, two of them, a placeholder
	Trapped  int      // connections that went around the proxy
	Leaks    []string // where a credential was seen by the client
	Code     int
	Took     time.Duration
	Output   string // its end
}

// judge looks at what arrived. Only the client's host counts: programs ask for
// news, too.
func (w *world) judge(c client) report {
	r := report{Trapped: int(w.trapped.Load())}
	for _, got := range w.Requests() {
		if got.Host != c.Host {
			continue
		}
		r.Requests++
		head := fmt.Sprint(got.Target, got.Fields)
		if n := strings.Count(head, w.keys[c.Host]); n != 1 {
			r.Problems = append(r.Problems, fmt.Sprintf("%d credentials on %s", n, got))
		}
		if strings.Contains(head, "authsome-proxy-managed") {
			r.Problems = append(r.Problems, "a placeholder on "+got.String())
		}
		if want := c.Host + ":443"; w.name == corporate && got.Via != want {
			r.Problems = append(r.Problems, fmt.Sprintf("came through %q, not %q", got.Via, want))
		}
	}
	return r
}

// outcome is the word for a report.
func (r report) outcome() string {
	switch {
	case len(r.Problems) > 0 || len(r.Leaks) > 0:
		return fmt.Sprint("wrong: ", r.Problems, r.Leaks)
	case r.Trapped > 0 && r.Requests == 0:
		return direct
	case r.Trapped > 0:
		return "goes around as well"
	case r.Requests == 0:
		return stopped
	}
	return ""
}

func (r report) String() string {
	return fmt.Sprintf("%d requests, %d in the trap, exit %d after %v\n%s", r.Requests, r.Trapped, r.Code, r.Took.Round(time.Millisecond), r.Output)
}

// clients is the table.
func clients() []client {
	all := slices.Concat(programs(), packageManagers(), pythonClients(), nodeClients(), goClients(), otherClients())
	for i := range all {
		if all[i].By == "" {
			all[i].By = environment
		}
		if all[i].Want != "" {
			all[i].By = nothing
		}
	}
	return all
}

// hosts are those of the clients, and what else they ask.
func hosts() []string {
	all := []string{"packages.httpie.io", "static.crates.io", "static.rust-lang.org"}
	for _, c := range clients() {
		all = append(all, c.Host)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

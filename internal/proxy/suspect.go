package proxy

import (
	"strings"
	"sync"
	"sync/atomic"
)

// refusals is who did not accept our certificate for a host.
type refusals struct {
	suspected atomic.Bool  // somebody did not
	looks     atomic.Int32 // by suspect

	mu    sync.Mutex
	names map[string]bool
}

// maxRefusals bounds the clients that are told apart at a host.
const maxRefusals = 16

// first reports whether this is the first refusal of the program of that name.
// One without a name may be any other, before and after it.
func (r *refusals) first(program string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.names[program] || r.names[""] || program == "" && len(r.names) > 0 || len(r.names) >= maxRefusals {
		return false
	}
	if r.names == nil {
		r.names = map[string]bool{}
	}
	r.names[program] = true
	return true
}

// suspect names the client's program where a client of the host has refused
// our certificate before. To find out costs a look at every process, so that is
// done for no others, and not often.
func (s *server) suspect(c *client, host *interceptedHost) string {
	if !host.refusals.suspected.Load() || host.refusals.looks.Add(1) > maxRefusals {
		return ""
	}
	return c.program()
}

// program names the client as well as can be: its process where the system
// tells, else what it calls itself in a CONNECT. "" means not known.
func (c *client) program() string {
	client, err := addrPort(c.RemoteAddr())
	if err == nil {
		if local, err := addrPort(c.LocalAddr()); err == nil {
			if name := plainName(socketProgram(client, local)); name != "" {
				return name
			}
		}
	}
	return agentName(c.agent)
}

// agentName is the first product of a User-Agent (RFC 9110, section 10.1.5);
// browsers all call themselves Mozilla there, and have their own name further on.
func agentName(agent string) string {
	product, _, _ := strings.Cut(agent, " ")
	product, _, _ = strings.Cut(product, "/")
	if product != "Mozilla" {
		return plainName(product)
	}
	for _, browser := range []string{"Firefox", "Chrome"} {
		if strings.Contains(agent, browser+"/") {
			return strings.ToLower(browser)
		}
	}
	return ""
}

// plainName is s when it is printable ASCII of moderate length, else "": the
// client chose it.
func plainName(s string) string {
	odd := func(r rune) bool { return r <= ' ' || r > '~' }
	if len(s) > 64 || strings.ContainsFunc(s, odd) {
		return ""
	}
	return s
}

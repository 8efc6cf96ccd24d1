package broker

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"authsome/internal/inject"
	"authsome/internal/provider"
)

// decision is what is to become of one request. Without a choice and a denial
// it goes unchanged.
type decision struct {
	choice    *choice // whose credential belongs on it
	named     bool    // the request itself named the connection
	denied    *Denied
	ambiguous []string // providers that tie for it
	unchanged string   // why no credential belongs on it, in words
}

// choice is a connection and the rule that leads to it.
type choice struct {
	candidate  provider.Candidate
	connection *Connection
}

// decide is the one place where it is decided what becomes of a request; the
// proxy acts on it and Explain tells of it. Nothing is put on r, but its
// connection header is gone.
func (s *Session) decide(r *http.Request) decision {
	selector := takeSelector(r)
	if denied := s.runPolicy(r); denied != nil {
		return decision{denied: denied}
	}
	if selector == NoConnection {
		return decision{unchanged: "it asks for no connection"}
	}
	snap := s.snapshot()
	host, port, path := r.URL.Hostname(), portOf(r), r.URL.EscapedPath()
	if snap.table.PathAmbiguous(host, port, path) {
		return decision{denied: &Denied{Code: CodePath, Reason: "servers could disagree about this path, and a rule depends on it"}}
	}
	candidates := snap.table.Candidates(host, port, path)
	ownEndpoint := func(c provider.Candidate) bool { return c.Def.AuthEndpoint(host, port, path) }
	if slices.ContainsFunc(candidates, ownEndpoint) {
		candidates = slices.DeleteFunc(slices.Clone(candidates), ownEndpoint)
		if len(candidates) == 0 {
			return decision{unchanged: "it goes to the provider's own OAuth endpoint"}
		}
	}
	if len(candidates) == 0 {
		return decision{unchanged: "no connected provider claims it"}
	}
	if snap.broken != nil {
		return decision{denied: &Denied{Code: CodeVault, Provider: candidates[0].Def.Name, Reason: "the vault can't be read: " + snap.broken.Error(), Hint: "authsome doctor"}}
	}
	if denied := readBodies(candidates, r); denied != nil {
		return decision{denied: denied}
	}
	d := s.choosers(snap, candidates, selector, r)
	if d.choice != nil {
		d.denied = s.permit(r, d.choice)
	}
	return d
}

// choosers finds the one connection a request is meant for.
func (s *Session) choosers(snap *snapshot, candidates []provider.Candidate, selector string, r *http.Request) decision {
	marked, named := placeholders(candidates, r)
	if selector == "" {
		selector = named
	}
	if s.needsPlaceholder(candidates[0], r) && len(marked) == 0 && selector == "" {
		return decision{unchanged: "it carries no placeholder, without which it is left anonymous"}
	}
	if selector != "" {
		return s.selected(snap, candidates, selector)
	}
	best := s.narrow(tied(candidates), marked)
	if len(best) > 1 {
		return tie(best)
	}
	return s.chosen(snap, best[0])
}

// tie is for candidates of which none is better than the others.
func tie(best []provider.Candidate) decision {
	return decision{ambiguous: names(best), unchanged: "several connected providers claim it equally"}
}

// selected finds the connection that the client named, as NAME or
// PROVIDER/NAME. One that is not there is refused: whoever names an account
// must not get another.
func (s *Session) selected(snap *snapshot, candidates []provider.Candidate, selector string) decision {
	providerName, name, qualified := strings.Cut(selector, "/")
	if !qualified {
		providerName, name = "", selector
	}
	var found []choice
	for _, c := range candidates {
		g, ok := snap.groups[c.ID]
		if !ok || qualified && c.Def.Name != providerName {
			continue
		}
		if connection, ok := g.connections[name]; ok {
			found = append(found, choice{c, connection})
		}
	}
	if len(found) == 0 {
		first := candidates[0].Def.Name
		return decision{denied: &Denied{Code: CodeNoConnection, Provider: first, Connection: clip(name), Reason: "the client named a connection that does not exist", Hint: loginCommand(first, clip(name), false)}}
	}
	if len(found) > 1 && found[0].candidate.Specificity == found[1].candidate.Specificity {
		return tie([]provider.Candidate{found[0].candidate, found[1].candidate})
	}
	return decision{choice: &found[0], named: true}
}

// chosen returns the connection a candidate uses when nobody names one.
func (s *Session) chosen(snap *snapshot, c provider.Candidate) decision {
	g, ok := snap.groups[c.ID]
	if !ok {
		return loggedOutOf(c.Def.Name, "")
	}
	if none, ok := errors.AsType[*NoDefault](g.noDefault); ok {
		return decision{denied: &Denied{Code: CodeNoDefault, Provider: c.Def.Name, Reason: g.noDefault.Error(), Hint: fmt.Sprintf("authsome default %s %s", c.Def.Name, none.Names[0])}}
	}
	connection, ok := g.connections[g.chosen]
	if !ok {
		return loggedOutOf(c.Def.Name, g.chosen)
	}
	return decision{choice: &choice{c, connection}}
}

func loggedOutOf(provider, name string) decision {
	return decision{denied: &Denied{Code: CodeNotConnected, Provider: provider, Connection: name, Reason: "it was logged out during this run", Hint: loginCommand(provider, name, false)}}
}

// permit returns why the credential of a choice may not be used for a request
// that is otherwise meant for it.
func (s *Session) permit(r *http.Request, ch *choice) *Denied {
	c := ch.connection
	if rule := ch.candidate.Written; !c.bound(rule) {
		return &Denied{Code: CodeChanged, Provider: c.Provider, Connection: c.Name, Reason: "the provider's definition now claims " + rule + ", which the credential was not logged in for", Hint: loginCommand(c.Provider, c.Name, true)}
	}
	if denied := s.denies(r, ch); denied != nil {
		return denied
	}
	if denied := c.policyDenies(r); denied != nil {
		return denied
	}
	if inject.IsHandshake(r) && !ch.candidate.Def.AllowsOrigin(r.URL.Hostname(), r.Header["Origin"]) {
		return &Denied{Code: CodeOrigin, Provider: c.Provider, Connection: c.Name, Reason: "the websocket is opened by a page of another site", Hint: "authsome inspect " + c.Provider}
	}
	if c.Status(now()) == Expired {
		return expired(*c)
	}
	return nil
}

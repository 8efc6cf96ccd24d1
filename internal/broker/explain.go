package broker

import (
	"net/http"

	"authsome/internal/inject"
	"authsome/internal/provider"
)

// How a connection came to be chosen.
const (
	ChosenByRequest = "request" // the request names it
	ChosenByRun     = "run"     // Selection.Connections
	ChosenByDefault = "default"
)

// Explanation is what would become of one request.
type Explanation struct {
	Denied     *Denied  // why it would be refused, or nil
	Unchanged  string   // why it would go without a credential, or ""
	Ambiguous  []string // the providers that tie for it, where that is why
	Provider   string   // whose credential would go on it, or was not to; "" for none
	Connection string
	Chosen     string // how the connection was; "" for none
	Rule       string // of the definition, that claims the request
	Inject     []inject.Spec
	Refresh    bool // the credential would be refreshed first
	Policies   []Ruling
}

// Ruling is what one policy says about a request.
type Ruling struct {
	Of string // "run" or "connection"
	provider.Verdict
}

// Explain tells what Authorize would do with r, by the same decision. Nothing
// is refreshed, put on r or written down.
func (s *Session) Explain(r *http.Request) Explanation {
	d := s.decide(r)
	e := Explanation{Denied: d.denied, Unchanged: d.unchanged, Ambiguous: d.ambiguous}
	if s.selection.Policy != nil {
		e.Policies = append(e.Policies, Ruling{"run", verdict(s.selection.Policy, r)})
	}
	if d.denied != nil {
		e.Provider, e.Connection = d.denied.Provider, d.denied.Connection
	}
	if d.choice != nil {
		s.explainChoice(&e, r, d)
	}
	return e
}

func (s *Session) explainChoice(e *Explanation, r *http.Request, d decision) {
	c, candidate := d.choice.connection, d.choice.candidate
	e.Provider, e.Connection, e.Rule = c.Provider, c.Name, candidate.Written
	e.Refresh = d.denied == nil && c.refreshable() && c.stale(now())
	switch {
	case d.named:
		e.Chosen = ChosenByRequest
	case s.selection.Connections[c.Provider] != "":
		e.Chosen = ChosenByRun
	default:
		e.Chosen = ChosenByDefault
	}
	for _, injection := range candidate.Inject {
		if !injection.WebSocketOnly() || inject.IsHandshake(r) {
			e.Inject = append(e.Inject, injection.Spec())
		}
	}
	for _, p := range c.policies() {
		e.Policies = append(e.Policies, Ruling{"connection", verdict(p, r)})
	}
}

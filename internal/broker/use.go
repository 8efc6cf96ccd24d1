package broker

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"authsome/internal/audit"
	"authsome/internal/inject"
)

// use puts the credential on the request. The audit line is written before
// anybody else sees the result: no line, no use.
func (s *Session) use(r *http.Request, ch *choice) (Use, *Denied) {
	c, denied := s.fresh(r.Context(), ch.connection)
	if denied != nil {
		return Use{}, denied
	}
	// Another login may have put a credential for other hosts in its place.
	if rule := ch.candidate.Written; c.BaseURL != ch.connection.BaseURL || !c.bound(rule) {
		return Use{}, &Denied{CodeChanged, c.Provider, c.Name, "it was logged in anew, and not for " + rule, loginCommand(c.Provider, c.Name, true)}
	}
	entry := s.entry(r, audit.Use, audit.Allow, "") // before the path may hold a secret
	injections := ch.candidate.Inject
	applied, err := inject.ApplyAll(injections, r, c.Credential, now())
	if err != nil {
		return Use{}, unusable(*c, err)
	}
	entry.Provider, entry.Connection = c.Provider, c.Name
	done, err := s.broker.recordUse(entry)
	if err != nil {
		applied.Undo(r)
		return Use{}, &Denied{CodeAudit, c.Provider, c.Name, err.Error(), "authsome doctor"}
	}
	return Use{
		Provider: c.Provider, Connection: c.Name, Pool: c.pool(), Redact: applied.Secrets, Message: applied.Message,
		Private: slices.Contains(c.Private, r.URL.Hostname()), Done: done, connection: c, candidate: ch.candidate, applied: applied,
	}, nil
}

// unusable is why the credential could not be put on a request.
func unusable(c Connection, err error) *Denied {
	switch {
	case errors.Is(err, inject.ErrSignature):
		hint := "have the client sign with the key ID " + inject.KeyIDPlaceholder + " and the secret " + inject.Placeholder
		return &Denied{CodeSignature, c.Provider, c.Name, err.Error(), hint}
	case errors.Is(err, inject.ErrSigning):
		return &Denied{CodeSigning, c.Provider, c.Name, err.Error(), "authsome inspect " + c.Provider}
	}
	return &Denied{CodeUnusable, c.Provider, c.Name, err.Error(), loginCommand(c.Provider, c.Name, true)}
}

// Explain makes a *Denied of an error that the body of an authorized request
// ended with, where the signature on it is the reason.
func (u Use) Explain(err error) error {
	if u.connection != nil && (errors.Is(err, inject.ErrSignature) || errors.Is(err, inject.ErrSigning)) {
		return unusable(*u.connection, err)
	}
	return err
}

// Renewable reports whether Renew could bring another credential.
func (u Use) Renewable() bool {
	return u.connection != nil && (u.connection.Source != nil || u.connection.refreshable())
}

// Renew is for a request that the API answered with 401: where Rejected finds
// another credential it puts that one on r, which is the request as Authorize
// left it, and returns leave to send it once more.
func (s *Session) Renew(r *http.Request, u Use) (Use, bool) {
	if !s.Rejected(r.Context(), u) {
		return Use{}, false
	}
	c, err := s.broker.named(r.Context(), u.Provider, u.Connection)
	if err != nil {
		return Use{}, false
	}
	u.applied.Undo(r)
	// It was permitted already, and is no longer what the client sent.
	again, denied := s.use(r, &choice{u.candidate, &c})
	return again, denied == nil
}

// denies refuses the endpoints that the definition denies, unless the run
// allows the provider's.
func (s *Session) denies(r *http.Request, ch *choice) *Denied {
	def := ch.candidate.Def
	if len(def.Deny) == 0 || slices.Contains(s.selection.Denied, def.Name) {
		return nil
	}
	reason := def.Denied(methods(r), r.URL.EscapedPath())
	if reason == "" {
		return nil
	}
	return &Denied{
		Code: CodeEndpoint, Provider: ch.connection.Provider, Connection: ch.connection.Name,
		Reason: "authsome does not use a credential here: " + reason, Hint: "authsome run --allow-denied " + def.Name,
	}
}

// methods are all that some server could take for r's method, as they were
// sent.
func methods(r *http.Request) []string {
	all := []string{r.Method}
	for name, values := range r.Header {
		if !isMethodOverride(name) {
			continue
		}
		for _, value := range values {
			all = append(all, strings.TrimSpace(value))
		}
	}
	if strings.ContainsAny(r.URL.RawQuery, "%_$") {
		all = append(all, queryMethods(r.URL.RawQuery)...)
	}
	return all
}

// queryMethods are the methods in the parameters that some frameworks take for
// one. A semicolon separates parameters, too, for some.
func queryMethods(raw string) []string {
	var all []string
	for pair := range strings.FieldsFuncSeq(raw, func(c rune) bool { return c == '&' || c == ';' }) {
		name, value, _ := strings.Cut(pair, "=")
		if name = unescaped(name); strings.EqualFold(name, "_method") || strings.EqualFold(name, "$httpMethod") {
			all = append(all, strings.TrimSpace(unescaped(value)))
		}
	}
	return all
}

func unescaped(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}

// isMethodOverride reports whether some server takes the named field for the
// method.
func isMethodOverride(name string) bool {
	return inject.SameField(name, "X-HTTP-Method-Override") || inject.SameField(name, "X-HTTP-Method") || inject.SameField(name, "X-Method-Override")
}

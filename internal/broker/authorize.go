package broker

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"authsome/internal/audit"
	"authsome/internal/inject"
	"authsome/internal/provider"
)

// ConnectionHeader names a connection, as NAME or PROVIDER/NAME, on a request.
// It is removed before the request leaves.
const ConnectionHeader = "Authsome-Connection"

// NoConnection is the value of ConnectionHeader that asks for none: the
// request goes unchanged. No connection can have that name.
const NoConnection = "-"

// Code says why a request was refused, in a word that programs can read.
type Code string

// The codes of Denied.
const (
	CodeNotConnected Code = "not_connected"         // logged out during the run
	CodeNoConnection Code = "no_such_connection"    // the client named one that is not there
	CodeNoDefault    Code = "no_default_connection" // several, and none chosen
	CodeExpired      Code = "credential_expired"
	CodeLogin        Code = "login_needed"        // the authorization server refuses to refresh
	CodeRefresh      Code = "refresh_failed"      // for now: the authorization server does not answer
	CodeSource       Code = "source_failed"       // the command or variable that has the value does not give it
	CodeUnusable     Code = "credential_unusable" // a value no header can carry
	CodeChanged      Code = "definition_changed"  // the definition claims hosts the credential was not logged in for
	CodeVault        Code = "vault_unavailable"
	CodeAudit        Code = "audit_unavailable"
	CodePath         Code = "path_ambiguous"
	CodeOrigin       Code = "cross_site_websocket" // a page of another site opens it
	CodeEndpoint     Code = "endpoint_denied"      // the definition says that no credential is used there
	CodeBody         Code = "body_unreadable"      // the credential's place could be in it: too long, or it ended early
	CodePolicy       Code = "policy_denied"        // a policy of the run or of the connection
	CodeSignature    Code = "signature_mismatch"   // it is not what the placeholder makes of the request
	CodeSigning      Code = "signing_unsupported"  // it is made in a way that can't be done again
)

// Denied is why a credential can't be had or used. Nothing may leave then.
type Denied struct {
	Code       Code
	Provider   string
	Connection string
	Reason     string
	Hint       string // the command to run
}

func (d *Denied) Error() string {
	if d.Provider == "" {
		return d.Reason
	}
	if d.Connection == "" {
		return d.Provider + ": " + d.Reason
	}
	return d.Provider + "/" + d.Connection + ": " + d.Reason
}

// expired is why a connection of status Expired can't be used.
func expired(c Connection) *Denied {
	since := c.ExpiredSince().UTC().Format("2006-01-02 15:04 MST")
	if !c.RejectedAt.IsZero() {
		return &Denied{CodeLogin, c.Provider, c.Name, "the authorization server has refused to refresh the credential since " + since, loginCommand(c.Provider, c.Name, false)}
	}
	return &Denied{CodeExpired, c.Provider, c.Name, "the credential expired " + since, loginCommand(c.Provider, c.Name, true)}
}

func loginCommand(provider, name string, force bool) string {
	command := commandFor("login", provider, name)
	if force {
		command += " --force"
	}
	return command
}

// commandFor is the command line of a subcommand for one connection.
func commandFor(subcommand, provider, name string) string {
	command := "authsome " + subcommand + " " + provider
	if name != "" && name != DefaultName {
		command += " --connection " + name
	}
	return command
}

// Use is leave to send one request. The zero Use sends it unchanged.
type Use struct {
	Provider   string
	Connection string
	Pool       string   // upstream connections may be shared within one pool only; "" for an unchanged request
	Redact     []string // what must not come back to the client
	Private    bool     // the credential was logged in for a host that is not on the public internet
	Ambiguous  []string // providers that tie for the request, which therefore goes unchanged

	// Message is what text messages of the client on a websocket have to go
	// through, see inject.Applied; nil on every other request.
	Message func(text []byte) []byte

	// Done records what came of it, an HTTP status or an error. Nil for an
	// unchanged request.
	Done func(status int, err error)

	connection *Connection        // whose credential is on the request
	candidate  provider.Candidate // the rule it is there for
	applied    inject.Applied
}

// Authorize decides on one request and, when a credential belongs on it, puts
// it there. r is the request as it will leave; its URL names the routed host.
// The error is a *Denied, and then r must not leave.
func (s *Session) Authorize(r *http.Request) (Use, error) {
	d := s.decide(r)
	if d.denied != nil {
		return Use{}, s.deny(r, d.denied)
	}
	if d.choice == nil {
		return Use{Ambiguous: d.ambiguous}, s.recordAmbiguous(r, d.ambiguous)
	}
	use, denied := s.use(r, d.choice)
	if denied != nil {
		return Use{}, s.deny(r, denied)
	}
	return use, nil
}

// readBodies reads the body where some candidate could have its credential in
// it: the connection that the client names may stand there.
func readBodies(candidates []provider.Candidate, r *http.Request) *Denied {
	for _, c := range candidates {
		if err := inject.ReadBody(c.Inject, r); err != nil {
			return &Denied{Code: CodeBody, Provider: c.Def.Name, Reason: err.Error()}
		}
	}
	return nil
}

func portOf(r *http.Request) uint16 {
	port, err := strconv.ParseUint(r.URL.Port(), 10, 16)
	if err != nil {
		return 443
	}
	return uint16(port)
}

// takeSelector removes the connection header, in every spelling, and returns
// its value. Several values become one that no connection can have.
func takeSelector(r *http.Request) string {
	var given []string
	for key, values := range r.Header {
		if inject.SameField(key, ConnectionHeader) {
			given = append(given, values...)
			delete(r.Header, key)
		}
	}
	slices.Sort(given)
	return strings.Join(slices.Compact(given), ",")
}

// needsPlaceholder reports whether a request without the placeholder is to
// stay as it is.
func (s *Session) needsPlaceholder(c provider.Candidate, r *http.Request) bool {
	return s.selection.Placeholder || c.Def.InjectMode == provider.InjectPlaceholder ||
		slices.ContainsFunc(s.selection.Anonymous, func(rule provider.Rule) bool {
			return rule.Match(r.URL.Hostname(), portOf(r), r.URL.EscapedPath())
		})
}

// placeholders returns the IDs of the candidates at whose place the client sent
// the placeholder, and the connection it names there.
func placeholders(candidates []provider.Candidate, r *http.Request) (marked []string, selector string) {
	for _, c := range candidates {
		for _, injection := range c.Inject {
			for _, value := range injection.Sent(r) {
				named, ok := inject.FindPlaceholder(value)
				if !ok {
					continue
				}
				marked = append(marked, c.ID)
				if selector != "" && named != "" && named != selector {
					named = selector + "," + named // no connection can have that name
				}
				if named != "" {
					selector = named
				}
			}
		}
	}
	return marked, selector
}

// tied returns the most specific candidates.
func tied(candidates []provider.Candidate) []provider.Candidate {
	end := slices.IndexFunc(candidates, func(c provider.Candidate) bool { return c.Specificity != candidates[0].Specificity })
	if end < 0 {
		end = len(candidates)
	}
	return candidates[:end]
}

// narrow settles a tie where the user or the client gave a reason to: the
// placeholder stands in the place of one of them only, or the run was started
// with a connection of one of them.
func (s *Session) narrow(best []provider.Candidate, marked []string) []provider.Candidate {
	if len(best) == 1 {
		return best
	}
	pick := func(ok func(provider.Candidate) bool) []provider.Candidate {
		return slices.DeleteFunc(slices.Clone(best), func(c provider.Candidate) bool { return !ok(c) })
	}
	wanted := pick(func(c provider.Candidate) bool { return s.selection.Connections[c.Def.Name] != "" })
	if len(wanted) == 1 {
		return wanted
	}
	here := pick(func(c provider.Candidate) bool {
		return slices.Contains(marked, c.ID)
	})
	if len(here) == 1 {
		return here
	}
	return best
}

func names(candidates []provider.Candidate) []string {
	var all []string
	for _, c := range candidates {
		all = append(all, c.Def.Name)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (s *Session) entry(r *http.Request, event, decision, reason string) audit.Entry {
	return audit.Entry{
		Event: event, Profile: s.broker.config.Profile, Host: r.URL.Host, Method: r.Method,
		Path: r.URL.EscapedPath(), Decision: decision, Reason: reason,
	}
}

// recordUse writes a use, and returns what writes its answer.
func (b *Broker) recordUse(e audit.Entry) (func(int, error), error) {
	log, err := b.auditLog()
	if err != nil {
		return nil, err
	}
	written, err := log.Append(e)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAudit, err)
	}
	return func(status int, failure error) {
		answer := written
		answer.Event, answer.ID, answer.Status = audit.Answer, written.ID, status
		if failure != nil {
			answer.Reason = failure.Error()
		}
		log.Later(answer)
	}, nil
}

// deny writes a refusal down. That it can't be written changes nothing: the
// request does not leave either way.
func (s *Session) deny(r *http.Request, d *Denied) error {
	e := s.entry(r, audit.Refuse, audit.Deny, string(d.Code))
	e.Provider, e.Connection = d.Provider, d.Connection
	if d.Code == CodePolicy {
		e.Detail = d.Reason // which rule it was
	}
	_ = s.broker.record(e)
	return d
}

func (s *Session) recordAmbiguous(r *http.Request, providers []string) error {
	if len(providers) == 0 {
		return nil
	}
	e := s.entry(r, audit.Ambiguous, audit.Allow, "ambiguous")
	e.Detail = joinNames(providers)
	_ = s.broker.record(e) // no credential is used
	return nil
}

// Refused writes down a request that was refused before it came to Authorize.
func (s *Session) Refused(host, method, path, reason string, status int) {
	_ = s.broker.record(audit.Entry{
		Event: audit.Refuse, Host: host, Method: method, Path: path, Status: status, Decision: audit.Deny, Reason: reason,
	})
}

// Trusted writes down which root answers for host's certificate: behind a
// company's proxy that is the company's.
func (s *Session) Trusted(host, root string) {
	_ = s.broker.record(audit.Entry{Event: audit.Trust, Host: host, Decision: audit.Allow, Detail: root})
}

// Routed returns the host patterns that connected providers claim, as
// provider.Table.Patterns writes them.
func (s *Session) Routed() []string { return s.snapshot().table.Patterns() }

// Hosts returns every host pattern that a request could be authorized for
// while the session lasts, as provider.Table.Patterns writes them: those of
// the connected providers and, since a login made elsewhere counts at once,
// those of all others the selection admits.
func (s *Session) Hosts() []string {
	return append(s.Routed(), s.broker.config.Catalog.Hosts(s.allows)...)
}

package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"authsome/internal/broker"
	"authsome/internal/inject"
	"authsome/internal/prompt"
	"authsome/internal/provider"
	"authsome/internal/proxy"
)

func newExplain(a *app) *cobra.Command {
	var o runOptions
	var fields []string
	c := &cobra.Command{
		Use:   "explain [METHOD] URL",
		Short: "Tell what a run would do with a request, without sending it",
		Long: `Tell what a request would get in a run with these flags, and why: provider,
connection, rule, injection, policy decision. Nothing is sent, refreshed or
shown of the credential. Headers matter where they name a connection or hold the
placeholder; give no secret there.
` + exitCodes(0, 1, 2, 3, 5, 7),
		Example: `  authsome explain https://api.github.com/user
  authsome explain --policy read-only.jsonc DELETE https://api.github.com/repos/me/test
  authsome explain -H 'Authorization: Bearer authsome-proxy-managed:work' https://api.github.com/user --json`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			method := http.MethodGet
			if len(args) == 2 {
				method = args[0]
			}
			if err := checkExplain(o, fields, method, args[len(args)-1]); err != nil {
				return usage(c, err)
			}
			e, err := a.explain(c.Context(), o, method, args[len(args)-1], fields)
			if err != nil {
				return err
			}
			return a.print(e, e.text)
		},
	}
	a.selectionFlags(c, &o)
	c.Flags().StringArrayVarP(&fields, "header", "H", nil, "a `HEADER` of the request, as \"Name: value\" (repeatable)")
	return c
}

func checkExplain(o runOptions, fields []string, method, url string) error {
	for _, part := range append([]string{method, url}, fields...) {
		if strings.ContainsAny(part, "\r\n") {
			return errors.New("a line break can't be part of a request")
		}
	}
	if scheme, _, ok := strings.Cut(url, "://"); !ok || !strings.EqualFold(scheme, "https") && !strings.EqualFold(scheme, "http") {
		return errors.New("the URL has to begin with https:// or http://")
	}
	if strings.ContainsAny(method, " \t") {
		return fmt.Errorf("%q is not a method", method)
	}
	return o.checkSelection()
}

// What becomes of a request.
const (
	decisionInject    = "inject"    // sent with the credential
	decisionUnchanged = "unchanged" // read, and sent as it is
	decisionTunnel    = "tunnel"    // not intercepted
	decisionCleartext = "cleartext" // http: sent as it is
	decisionRefuse    = "refuse"    // answered by authsome
)

// explained is an answer of explain. Its fields are those of its JSON.
type explained struct {
	Method     string        `json:"method"`
	URL        string        `json:"url"` // without query
	Decision   string        `json:"decision"`
	Provider   string        `json:"provider,omitempty"`
	Connection string        `json:"connection,omitempty"`
	Chosen     string        `json:"chosen,omitempty"`
	Rule       string        `json:"rule,omitempty"`
	Inject     []inject.Spec `json:"inject,omitempty"`
	Refresh    bool          `json:"refresh,omitempty"`
	Policy     []ruling      `json:"policy,omitempty"`
	Reason     string        `json:"reason,omitempty"`
	Status     int           `json:"status,omitempty"` // of the refusal
	Code       string        `json:"code,omitempty"`
	Hint       string        `json:"hint,omitempty"`
}

type ruling struct {
	Of      string `json:"of"`
	Allowed bool   `json:"allowed"`
	Rule    int    `json:"rule"` // 0: none fits
	Reason  string `json:"reason,omitempty"`
}

func (a *app) explain(ctx context.Context, o runOptions, method, rawURL string, fields []string) (*explained, error) {
	var err error
	if o.policy, err = readPolicy(o.policyFile); err != nil {
		return nil, err
	}
	b, registry, err := a.broker()
	if err != nil {
		return nil, err
	}
	defer b.Close()
	session, err := b.Session(ctx, o.selection())
	if err != nil {
		return nil, err
	}
	q := question{session, registry, o}
	return q.explain(ctx, method, rawURL, fields)
}

// question is what requests are explained with.
type question struct {
	session  *broker.Session
	registry *provider.Registry
	options  runOptions
}

// explain asks what the proxy asks: first whether the host is intercepted, then
// what is admitted, or the session.
func (q question) explain(ctx context.Context, method, rawURL string, fields []string) (*explained, error) {
	shown, _, _ := strings.Cut(rawURL, "?")
	e := &explained{Method: method, URL: shown}
	scheme, host, port, err := proxy.Destination(rawURL)
	if err != nil {
		return e, e.refuse(err)
	}
	claimed := scheme == "https" && proxy.Interceptable(host) && q.session.Claims(host, port)
	if !claimed {
		e.passed(q, scheme, host, port)
	}
	if e.Decision == decisionTunnel || e.Decision == decisionRefuse {
		return e, nil
	}
	r, err := proxy.Preview(ctx, method, rawURL, fields)
	if err != nil {
		return e, e.refuse(err)
	}
	if claimed {
		return e, e.fill(q.session.Explain(r))
	}
	return e, nil
}

// passed is for what is not intercepted.
func (e *explained) passed(q question, scheme, host string, port uint16) {
	e.Decision, e.Reason = decisionTunnel, "no connected provider claims the host"
	if scheme == "http" {
		e.Decision, e.Reason = decisionCleartext, "cleartext gets no credential"
	}
	if policy := q.options.policy; policy != nil {
		e.addRuling(broker.Ruling{Of: "run", Verdict: policy.DecideHost(host, port)})
	}
	if err := q.options.admit(host, port, scheme); err != nil {
		_ = e.refuse(err) // it is a refusal
		return
	}
	_, path, _ := strings.Cut(e.URL, "://")
	_, path, _ = strings.Cut(path, "/")
	e.Hint = unconnected(q.registry, host, port, "/"+path)
}

// unconnected is how to connect a provider that would claim the request.
func unconnected(registry *provider.Registry, host string, port uint16, path string) string {
	for _, def := range registry.All() {
		for _, rule := range def.Rules {
			if rule.Match(host, port, path) {
				return "authsome login " + def.Name
			}
		}
	}
	return ""
}

func (e *explained) fill(x broker.Explanation) error {
	e.Provider, e.Connection, e.Chosen, e.Rule = x.Provider, x.Connection, x.Chosen, x.Rule
	e.Inject, e.Refresh, e.Reason = x.Inject, x.Refresh, x.Unchanged
	for _, r := range x.Policies {
		e.addRuling(r)
	}
	switch {
	case x.Denied != nil:
		return e.refuse(refusal(x.Denied))
	case x.Unchanged != "":
		e.Decision = decisionUnchanged
		if len(x.Ambiguous) > 0 {
			e.Reason += ": " + strings.Join(x.Ambiguous, " and ")
			e.Hint = "authsome run --only " + x.Ambiguous[0]
		}
	default:
		e.Decision = decisionInject
	}
	return nil
}

func (e *explained) addRuling(r broker.Ruling) {
	e.Policy = append(e.Policy, ruling{r.Of, r.Allowed, r.Rule, r.Reason})
}

// refuse is for a request that would be answered by authsome. Any other error
// it returns.
func (e *explained) refuse(err error) error {
	var refusal *proxy.Refusal
	if !errors.As(err, &refusal) {
		return err
	}
	e.Decision, e.Status, e.Code = decisionRefuse, refusal.Status, refusal.Code
	e.Reason, e.Hint = refusal.Message, refusal.Hint
	return nil
}

// text is the answer for humans.
func (e *explained) text(w io.Writer) {
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "%-11s %s\n", name, prompt.Printable(value))
		}
	}
	words := map[string]string{
		decisionInject:    "sent with the credential",
		decisionUnchanged: "sent unchanged, without a credential",
		decisionTunnel:    "a blind tunnel, without a credential",
		decisionCleartext: "forwarded as it is, without a credential",
		decisionRefuse:    fmt.Sprintf("refused: %d %s", e.Status, e.Code),
	}
	line("request", e.Method+" "+e.URL)
	line("decision", words[e.Decision])
	line("reason", e.Reason)
	line("hint", e.Hint)
	line("provider", e.Provider)
	line("connection", e.connection())
	line("rule", e.Rule)
	for _, spec := range e.Inject {
		line("injection", place(spec))
	}
	if e.Refresh {
		line("refresh", "the credential is refreshed first")
	}
	for _, r := range e.Policy {
		line("policy", r.String())
	}
}

func (e *explained) connection() string {
	how := map[string]string{
		broker.ChosenByRequest: " (the request names it)",
		broker.ChosenByRun:     " (of this run)",
		broker.ChosenByDefault: " (the provider's default)",
	}
	return e.Connection + how[e.Chosen]
}

// place says where a credential goes, in the words of the definition.
func place(s inject.Spec) string {
	value := s.Value
	if s.Username != "" || s.Password != "" {
		value = s.Username + ":" + s.Password
	}
	if s.Name != "" && value != "" {
		value = s.Name + ": " + value
	}
	return s.Kind + " " + cmp.Or(value, s.Name)
}

func (r ruling) String() string {
	decision := "denies it"
	if r.Allowed {
		decision = "allows it"
	}
	by := "no rule fits"
	if r.Rule > 0 {
		by = fmt.Sprintf("rule %d", r.Rule)
	}
	if r.Reason != "" {
		by += ", " + r.Reason
	}
	return "the " + r.Of + "'s " + decision + ": " + by
}

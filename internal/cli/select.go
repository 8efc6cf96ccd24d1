package cli

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"authsome/internal/broker"
	"authsome/internal/proxy"
)

// selectionFlags are the flags that say which requests of a run get which
// credential, and which may leave.
func (a *app) selectionFlags(c *cobra.Command, o *runOptions) {
	f := c.Flags()
	f.StringArrayVar(&o.connections, "connection", nil, "use `PROVIDER=NAME` in this run (repeatable)")
	f.StringSliceVar(&o.only, "only", nil, "use no other `PROVIDERS` in this run")
	f.StringSliceVar(&o.allowDenied, "allow-denied", nil, "use the credential of these `PROVIDERS` also at endpoints that hand out others")
	f.StringVar(&o.mode, "mode", "allow", "hosts no provider claims: allow or deny")
	f.StringSliceVar(&o.allowHosts, "allow-host", nil, "with --mode deny, let this `HOST` through (repeatable)")
	f.StringVar(&o.inject, "inject", "host", "host: wherever the host matches; placeholder: only where the client sent the placeholder")
	f.StringVar(&o.policyFile, "policy", "", "let through only what the policy in this `FILE` allows")
	_ = c.RegisterFlagCompletionFunc("only", a.completeConnected)
	_ = c.RegisterFlagCompletionFunc("allow-denied", a.completeConnected)
	_ = c.RegisterFlagCompletionFunc("mode", cobra.FixedCompletions([]string{"allow", "deny"}, cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("inject", cobra.FixedCompletions([]string{"host", "placeholder"}, cobra.ShellCompDirectiveNoFileComp))
}

func (o runOptions) checkSelection() error {
	switch {
	case o.mode != "allow" && o.mode != "deny":
		return fmt.Errorf("--mode %q is neither allow nor deny", o.mode)
	case o.mode == "allow" && len(o.allowHosts) > 0:
		return errors.New("--allow-host goes with --mode deny")
	case o.inject != "host" && o.inject != "placeholder":
		return fmt.Errorf("--inject %q is neither host nor placeholder", o.inject)
	}
	for _, pair := range o.connections {
		if provider, name, ok := strings.Cut(pair, "="); !ok || provider == "" || name == "" {
			return fmt.Errorf("--connection %q is not PROVIDER=NAME", pair)
		}
	}
	return nil
}

// selection is the broker's view of the flags.
func (o runOptions) selection() broker.Selection {
	s := broker.Selection{
		Connections: map[string]string{}, Only: o.only, Denied: o.allowDenied, Policy: o.policy,
		Placeholder: o.inject == "placeholder", Anonymous: o.agent.Anonymous,
	}
	for _, pair := range o.connections {
		provider, name, _ := strings.Cut(pair, "=")
		s.Connections[provider] = name
	}
	return s
}

// admit is --policy and --mode deny for what no provider claims, and for
// cleartext.
func (o runOptions) admit(host string, port uint16, scheme string) error {
	if denied := broker.DeniedByPolicy(o.policy.DecideHost(host, port), "the policy of this run"); denied != nil {
		return refusal(denied)
	}
	if o.mode == "allow" || slices.ContainsFunc(o.allowHosts, func(h string) bool { return strings.EqualFold(h, host) }) {
		return nil
	}
	address := net.JoinHostPort(host, strconv.Itoa(int(port)))
	return &proxy.Refusal{
		Status: http.StatusForbidden, Code: "denied_by_mode",
		Message: fmt.Sprintf("%s %s is not claimed by a connected provider, and this run denies the rest", scheme, address),
		Hint:    "authsome run --mode deny --allow-host " + host,
	}
}

package cli

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"authsome/internal/broker"
	"authsome/internal/provider"
)

type policyOptions struct {
	connection string
	clear      bool
	schema     bool
}

func newPolicy(a *app) *cobra.Command {
	var o policyOptions
	c := &cobra.Command{
		Use:   "policy PROVIDER [FILE]",
		Short: "Say what a connection may be used for",
		Long: `Put the policy in FILE on a connection: its credential is used for the requests
that the policy allows, in every run. Without FILE, show the policy there is. The
policy is kept in the vault; a run under way obeys a new one too, and keeps the
one it began with. "run --policy FILE" is for everything that one run asks.
` + exitCodes(0, 1, 2, 3, 5, 7),
		Example: `  authsome policy github read-only.jsonc
  authsome policy github --connection work
  authsome policy github --clear
  authsome policy --schema > policy.schema.json`,
		Args: func(c *cobra.Command, args []string) error {
			if o.schema {
				return cobra.NoArgs(c, args)
			}
			return cobra.RangeArgs(1, 2)(c, args)
		},
		ValidArgsFunction: a.completePolicy,
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case o.schema:
				_, err := a.stdout.Write(provider.PolicySchema())
				return err
			case o.clear && len(args) == 2:
				return usage(c, errors.New("--clear takes no FILE"))
			case len(args) == 1:
				return a.policy(c, args[0], "", o)
			}
			return a.policy(c, args[0], args[1], o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.connection, "connection", "", "`NAME` of the connection (default: the provider's default one)")
	f.BoolVar(&o.clear, "clear", false, "take the policy off")
	f.BoolVar(&o.schema, "schema", false, "print the JSON Schema of policies instead")
	_ = c.RegisterFlagCompletionFunc("connection", a.completeConnections)
	return c
}

func (a *app) completePolicy(c *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 1 {
		return nil, cobra.ShellCompDirectiveDefault // a file
	}
	return a.completeConnected(c, args, toComplete)
}

func (a *app) policy(c *cobra.Command, providerName, path string, o policyOptions) error {
	policy, err := readPolicy(path)
	if err != nil {
		return err
	}
	b, conn, err := a.connection(c.Context(), providerName, o.connection)
	if err != nil {
		return err
	}
	defer b.Close()
	if policy == nil && !o.clear {
		return a.showPolicy(conn)
	}
	if err := b.SetPolicy(c.Context(), conn.Provider, conn.Name, policy); err != nil {
		return err
	}
	status, text := "policy_set", "%s is used for what the policy allows, and nothing else.\n"
	if policy == nil {
		status, text = "policy_cleared", "%s has no policy.\n"
	}
	return a.print(map[string]string{"status": status, "provider": conn.Provider, "connection": conn.Name},
		func(w io.Writer) { fmt.Fprintf(w, text, conn) })
}

// showPolicy prints the policy as a file that can be put on again.
func (a *app) showPolicy(conn broker.Connection) error {
	if conn.Policy == nil && !a.json {
		a.notice("%s has no policy: its credential is used for every request.", conn)
		return nil
	}
	a.json = true
	return a.print(conn.Policy, nil)
}

// readPolicy reads a policy file; none is no policy.
func readPolicy(path string) (*provider.Policy, error) {
	if path == "" {
		return nil, nil
	}
	data, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	policy, err := provider.ParsePolicy(data)
	var invalid *provider.Invalid
	if errors.As(err, &invalid) {
		invalid.File = path
	}
	return policy, err
}

package cli

import "github.com/spf13/cobra"

// newConnection is the name `default` had before: connection set-default.
func newConnection(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:    "connection",
		Short:  "Choose default connections",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE:   func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	alias := newDefault(a)
	alias.Use = "set-default PROVIDER CONNECTION"
	alias.Example = "  authsome connection set-default github work"
	c.AddCommand(alias)
	return c
}

package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"authsome/internal/broker"
)

func newRevoke(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "revoke PROVIDER",
		Short: "Forget all connections of a provider",
		Long: `Forget all connections of a provider, and its OAuth app. Their tokens are revoked
at the provider, where it can be done; an API key stays valid until you delete it
on the provider's site.
` + exitCodes(0, 1, 2, 3, 7),
		Example:           "  authsome revoke github",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeConnected,
		RunE:              func(c *cobra.Command, args []string) error { return a.revoke(c, args[0]) },
	}
}

func (a *app) revoke(c *cobra.Command, name string) error {
	b, registry, err := a.broker()
	if err != nil {
		return err
	}
	defer b.Close()
	if _, err := registry.Get(name); err != nil {
		return err
	}
	gone, err := b.Revoke(c.Context(), name)
	document := map[string]any{"status": "revoked", "provider": name, "connections": connectionNames(gone)}
	return a.forgotten(err, document, func(w io.Writer) { fmt.Fprintf(w, "Forgot %d connection(s) of %s.\n", len(gone), name) })
}

func connectionNames(connections []broker.Connection) []string {
	names := make([]string, len(connections))
	for i, c := range connections {
		names[i] = c.Name
	}
	return names
}

package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

func newRemove(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "remove PROVIDER",
		Short: "Remove a custom provider with its credentials",
		Long: `Remove a custom provider's definition and forget its connections. Bundled
providers can't be removed; ` + "`authsome revoke`" + ` forgets their connections.
` + exitCodes(0, 1, 2, 3, 7),
		Example:           "  authsome remove acme",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeCustom,
		RunE:              func(c *cobra.Command, args []string) error { return a.remove(c, args[0]) },
	}
}

func (a *app) remove(c *cobra.Command, name string) error {
	b, _, err := a.broker()
	if err != nil {
		return err
	}
	defer b.Close()
	gone, err := b.Remove(c.Context(), name)
	document := map[string]any{"status": "removed", "provider": name, "connections": connectionNames(gone)}
	return a.forgotten(err, document, func(w io.Writer) { fmt.Fprintf(w, "Removed %s and %d connection(s).\n", name, len(gone)) })
}

package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

func newDefault(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "default PROVIDER CONNECTION",
		Short: "Choose the connection that is used unless another is named",
		Long: `Choose the connection that is used unless another is named. Without a choice it is
the one called "default", or the only one there is.
` + exitCodes(0, 2, 3, 5, 7),
		Example:           "  authsome default github work",
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: a.completeDefault,
		RunE:              func(c *cobra.Command, args []string) error { return a.setDefault(c, args[0], args[1]) },
	}
}

func (a *app) setDefault(c *cobra.Command, providerName, name string) error {
	b, _, err := a.broker()
	if err != nil {
		return err
	}
	defer b.Close()
	if err := b.SetDefault(c.Context(), providerName, name); err != nil {
		return err
	}
	return a.print(map[string]string{"status": "default_set", "provider": providerName, "connection": name},
		func(w io.Writer) { fmt.Fprintf(w, "%s now uses %s.\n", providerName, name) })
}

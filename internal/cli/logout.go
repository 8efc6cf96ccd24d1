package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

func newLogout(a *app) *cobra.Command {
	var connection string
	c := &cobra.Command{
		Use:   "logout PROVIDER",
		Short: "Forget one connection",
		Long: `Forget one connection: its credential is deleted from the vault. Runs that are
under way stop using it within a second.
` + exitCodes(0, 2, 3, 5, 7),
		Example: `  authsome logout openai
  authsome logout github --connection work`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeConnected,
		RunE:              func(c *cobra.Command, args []string) error { return a.logout(c, args[0], connection) },
	}
	c.Flags().StringVar(&connection, "connection", "", "`NAME` of the connection (default: the provider's default one)")
	_ = c.RegisterFlagCompletionFunc("connection", a.completeConnections)
	return c
}

func (a *app) logout(c *cobra.Command, providerName, name string) error {
	b, registry, err := a.broker()
	if err != nil {
		return err
	}
	defer b.Close()
	if _, err := registry.Get(providerName); err != nil {
		return err
	}
	gone, err := b.Logout(c.Context(), providerName, name)
	if err != nil {
		return err
	}
	return a.print(map[string]string{"status": "logged_out", "provider": gone.Provider, "connection": gone.Name},
		func(w io.Writer) { fmt.Fprintf(w, "Logged out of %s (%s).\n", gone.Provider, gone.Name) })
}

package cli

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"authsome/internal/broker"
)

func newLogout(a *app) *cobra.Command {
	var connection string
	var local bool
	c := &cobra.Command{
		Use:   "logout PROVIDER",
		Short: "Forget one connection",
		Long: `Revoke a connection's tokens at the provider, where it can be done, and delete them
from the vault. Runs that are under way stop using them within a second. The
vault forgets them in any case; exit code 1 says that the provider did not.
` + exitCodes(0, 1, 2, 3, 5, 7),
		Example: `  authsome logout openai
  authsome logout github --connection work`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeConnected,
		RunE:              func(c *cobra.Command, args []string) error { return a.logout(c, args[0], connection, local) },
	}
	c.Flags().StringVar(&connection, "connection", "", "`NAME` of the connection (default: the provider's default one)")
	c.Flags().BoolVar(&local, "local", false, "delete it here and tell the provider nothing")
	_ = c.RegisterFlagCompletionFunc("connection", a.completeConnections)
	return c
}

func (a *app) logout(c *cobra.Command, providerName, name string, local bool) error {
	b, registry, err := a.broker()
	if err != nil {
		return err
	}
	defer b.Close()
	if _, err := registry.Get(providerName); err != nil {
		return err
	}
	forget := b.Logout
	if local {
		forget = b.Forget
	}
	gone, err := forget(c.Context(), providerName, name)
	document := map[string]any{"status": "logged_out", "provider": gone.Provider, "connection": gone.Name}
	return a.forgotten(err, document, func(w io.Writer) { fmt.Fprintf(w, "Logged out of %s (%s).\n", gone.Provider, gone.Name) })
}

// forgotten prints what was forgotten. That the server did not revoke it is
// told beside it: here it is gone all the same.
func (a *app) forgotten(err error, document map[string]any, text func(io.Writer)) error {
	var remote *broker.RemoteError
	if err != nil && !errors.As(err, &remote) {
		return err
	}
	if remote != nil {
		document["not_revoked"] = remote.Error()
	}
	if printed := a.print(document, text); printed != nil || remote == nil {
		return printed
	}
	if remote.Unsupported {
		a.warn("%v; its tokens stay good there until they expire or you remove them on its site", remote.Err)
		return nil
	}
	if a.json {
		return &exitError{exit: exitOther}
	}
	return err
}

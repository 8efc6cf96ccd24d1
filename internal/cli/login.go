package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"authsome/internal/broker"
	"authsome/internal/credential"
	"authsome/internal/login"
	"authsome/internal/prompt"
)

type loginOptions struct {
	connection, flow, baseURL string
	scopes                    []string
	force, withToken          bool
}

func newLogin(a *app) *cobra.Command {
	var o loginOptions
	c := &cobra.Command{
		Use:   "login PROVIDER",
		Short: "Obtain a credential and keep it in the vault",
		Long: `Obtain a credential and keep it in the vault.

A good connection that is there already is left as it is; --force replaces it,
and only when the new login succeeds.
` + exitCodes(0, 2, 3, 4, 7, 8),
		Example: `  authsome login openai
  printf %s "$KEY" | authsome login openai --with-token
  authsome login github --connection work`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeProviders,
		RunE:              func(c *cobra.Command, args []string) error { return a.login(c, args[0], o) },
	}
	f := c.Flags()
	f.StringVar(&o.connection, "connection", "", "`NAME` of the connection (default \"default\")")
	f.StringVar(&o.flow, "flow", "", "how to obtain it: "+strings.Join(login.Flows(), ", ")+" (default: the provider's own)")
	f.StringSliceVar(&o.scopes, "scopes", nil, "scopes to ask for, separated by commas")
	f.StringVar(&o.baseURL, "base-url", "", "`URL` of a self-hosted installation")
	f.BoolVar(&o.force, "force", false, "log in again although there is a good connection")
	f.BoolVar(&o.withToken, "with-token", false, "read the key or token from standard input")
	_ = c.RegisterFlagCompletionFunc("flow", cobra.FixedCompletions(login.Flows(), cobra.ShellCompDirectiveNoFileComp))
	return c
}

func (a *app) login(c *cobra.Command, providerName string, o loginOptions) error {
	b, registry, err := a.broker()
	if err != nil {
		return err
	}
	defer b.Close()
	if _, err := registry.Get(providerName); err != nil {
		return err
	}
	if o.withToken && o.flow == "" {
		o.flow = "api_key" // whatever the provider's own flow: the token is there already
	}
	result, err := b.Login(c.Context(), broker.LoginRequest{
		Provider: providerName, Name: o.connection, Flow: o.flow, BaseURL: o.baseURL, Scopes: o.scopes,
		Force: o.force, UI: a.loginUI(providerName, o),
	})
	if errors.Is(err, login.ErrFlow) {
		return &hinted{err, fmt.Sprintf("printf %%s \"$TOKEN\" | authsome login %s --with-token", providerName)}
	}
	if err != nil {
		return err
	}
	a.warnShort(result)
	return a.printLogin(result, o)
}

// loginUI is how the human is reached.
func (a *app) loginUI(providerName string, o loginOptions) login.UI {
	switch {
	case o.withToken:
		return prompt.Stdin{In: a.sys.Stdin}
	case a.interactive():
		return prompt.Terminal{In: a.sys.Stdin, Out: a.sys.Stderr}
	}
	return prompt.Nobody{Hint: fmt.Sprintf("printf %%s \"$KEY\" | authsome login %s --with-token", providerName)}
}

// warnShort tells that a secret is too short to be hidden in answers.
func (a *app) warnShort(result broker.LoginResult) {
	if result.Already {
		return
	}
	for name, value := range result.Connection.Credential.Fields {
		if credential.Short(value) {
			a.warn("the %s is shorter than %d characters: where a server repeats it, it can't be recognised and hidden", name, credential.ShortLength)
		}
	}
}

func (a *app) printLogin(result broker.LoginResult, o loginOptions) error {
	conn := result.Connection
	status, text := "success", fmt.Sprintf("Logged in to %s (%s): connected.", conn.Provider, conn.Name)
	if result.Already {
		status, text = "already_connected", fmt.Sprintf("Already logged in to %s (%s).", conn.Provider, conn.Name)
		if o.withToken {
			a.notice("Standard input was not read. --force replaces the credential.")
		}
	}
	return a.print(map[string]string{
		"status": status, "provider": conn.Provider, "connection": conn.Name, "record_status": string(broker.Connected),
	}, func(w io.Writer) { fmt.Fprintln(w, text) })
}

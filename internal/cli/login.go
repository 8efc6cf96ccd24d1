package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"authsome/internal/broker"
	"authsome/internal/credential"
	"authsome/internal/login"
	"authsome/internal/prompt"
	"authsome/internal/provider"
	"authsome/internal/proxy"
)

type loginOptions struct {
	connection, flow, baseURL   string
	scopes                      []string
	clientID, installation      string
	clientSecretStdin           bool
	force, withToken, noBrowser bool
	source                      sourceOptions
}

func newLogin(a *app) *cobra.Command {
	var o loginOptions
	c := &cobra.Command{
		Use:   "login PROVIDER",
		Short: "Obtain a credential and keep it in the vault",
		Long: `Obtain a credential and keep it in the vault: an API key that you paste, or a
token that the provider gives after you have logged in there.

A good connection that is there already is left as it is; --force replaces it,
and only when the new login succeeds.

With --from-command or --from-env the key stays where it is, with a password
manager, say. It is fetched when it is used, kept in memory for --max-age, and
never stored. The command is split into words as a shell would, quotes and
backslashes included, and runs without a shell, in your home folder, with no
input, for 30 seconds at most. It prints the key and nothing else; where a
provider needs several values, one on each line, in the order of "authsome get".
` + exitCodes(0, 1, 2, 3, 4, 7, 8),
		Example: `  authsome login openai
  printf %s "$KEY" | authsome login openai --with-token
  authsome login github --flow device_code --client-id Ov23li...
  authsome login notion-mcp
  authsome login github --connection work
  authsome login openai --from-command 'op read op://Private/OpenAI/credential'
  authsome login github --from-command 'gh auth token'
  authsome login openai --from-env CI_OPENAI_KEY`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeProviders,
		RunE: func(c *cobra.Command, args []string) error {
			if o.withToken && o.clientSecretStdin {
				return usage(c, errors.New("--with-token and --client-secret-stdin both read standard input"))
			}
			source, err := o.source.source(c)
			if err != nil {
				return err
			}
			if source != nil && (o.withToken || o.clientSecretStdin || o.flow != "" && o.flow != provider.FlowAPIKey) {
				return usage(c, errors.New("--from-command and --from-env are a way to hand over a key: no --with-token, --client-secret-stdin or other --flow beside them"))
			}
			return a.login(c, args[0], o, source)
		},
	}
	f := c.Flags()
	f.StringVar(&o.connection, "connection", "", "`NAME` of the connection (default \"default\")")
	f.StringVar(&o.flow, "flow", "", "how to obtain it: "+strings.Join(login.Flows(), ", ")+" (default: the provider's own)")
	f.StringSliceVar(&o.scopes, "scopes", nil, "scopes to ask for, separated by commas")
	f.StringVar(&o.baseURL, "base-url", "", "`URL` of a self-hosted installation")
	f.BoolVar(&o.force, "force", false, "log in again although there is a good connection")
	f.BoolVar(&o.withToken, "with-token", false, "read the key or token from standard input; of several values one a line, or lines NAME=value")
	f.BoolVar(&o.noBrowser, "no-browser", false, "print the page to open, and open nothing")
	f.StringVar(&o.clientID, "client-id", "", "`ID` of your OAuth app; kept for the provider and profile")
	f.BoolVar(&o.clientSecretStdin, "client-secret-stdin", false, "read the OAuth app's secret (or private key) from standard input")
	f.StringVar(&o.installation, "installation", "", "with --flow github_app, the `NUMBER` of the installation")
	o.source.flags(c)
	_ = c.RegisterFlagCompletionFunc("flow", cobra.FixedCompletions(login.Flows(), cobra.ShellCompDirectiveNoFileComp))
	return c
}

func (a *app) login(c *cobra.Command, providerName string, o loginOptions, source *broker.Source) error {
	b, registry, err := a.broker()
	if err != nil {
		return err
	}
	defer b.Close()
	def, err := registry.Get(providerName)
	if err != nil {
		return err
	}
	if (o.withToken || source != nil) && o.flow == "" {
		o.flow = provider.FlowAPIKey // whatever the provider's own flow: the token is there already
	}
	client, err := a.givenClient(c, o)
	if err != nil {
		return err
	}
	result, err := b.Login(c.Context(), broker.LoginRequest{
		Provider: providerName, Name: o.connection, Flow: o.flow, BaseURL: o.baseURL, Scopes: o.scopes,
		Client: client, Installation: o.installation, Force: o.force, UI: a.loginUI(def, o),
		Private: isPrivate, Source: source,
	})
	if err != nil {
		return loginHint(providerName, err)
	}
	a.warnShort(result)
	if len(result.Connection.Private) > 0 && !result.Already {
		a.warn("not on the public internet, and the credential goes there because you named it: %s", strings.Join(result.Connection.Private, ", "))
	}
	if len(result.Missing) > 0 {
		a.warn("%s did not grant: %s", providerName, strings.Join(result.Missing, " "))
	}
	return a.printLogin(result, o)
}

// isPrivate reports whether host has an address that is not on the public
// internet. A host that can't be looked up here is not known to have one.
func isPrivate(ctx context.Context, host string) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	addresses, err := (&net.Resolver{PreferGo: true}).LookupNetIP(ctx, "ip", host)
	return err == nil && slices.ContainsFunc(addresses, func(a netip.Addr) bool { return !proxy.IsPublic(a) })
}

// loginHint adds the command that works where this one could not.
func loginHint(providerName string, err error) error {
	switch {
	case errors.Is(err, login.ErrFlow):
		return &hinted{err, fmt.Sprintf("printf %%s \"$TOKEN\" | authsome login %s --with-token", providerName)}
	case errors.Is(err, login.ErrTimeout), errors.Is(err, login.ErrDenied):
		return &hinted{err, "authsome login " + providerName}
	}
	var network net.Error
	if errors.As(err, &network) {
		return &hinted{err, "nothing was stored; check the network and HTTPS_PROXY, then: authsome login " + providerName}
	}
	return err
}

// givenClient is the OAuth app named on the command line, nil for none.
func (a *app) givenClient(c *cobra.Command, o loginOptions) (*login.Client, error) {
	if o.clientID == "" && !o.clientSecretStdin {
		return nil, nil
	}
	client := &login.Client{ID: o.clientID}
	if o.clientSecretStdin {
		var err error
		if client.Secret, err = (prompt.Stdin{In: a.sys.Stdin, Lines: true}).Secret(c.Context(), login.Question{}); err != nil {
			return nil, err
		}
	}
	return client, nil
}

// loginUI is how the human is reached: whatever is piped in, the terminal, or
// a page in the browser where an agent owns the standard streams.
func (a *app) loginUI(def *provider.Definition, o loginOptions) login.UI {
	var browser prompt.Browser
	if !o.noBrowser {
		browser = prompt.Browser{Commands: prompt.BrowserCommands(a.getenv("BROWSER"), runtime.GOOS), Env: a.withoutSecrets()}
	}
	switch {
	case o.withToken && len(login.AskedFields(def)) > 1:
		return &prompt.Lines{In: a.sys.Stdin}
	case o.withToken:
		return prompt.Stdin{In: a.sys.Stdin}
	case a.interactive():
		colour := a.colour(bold, "x", a.sys.Stderr) != "x"
		return prompt.Terminal{In: a.sys.Stdin, Out: a.sys.Stderr, Browser: browser, Colour: colour}
	}
	return prompt.Form{Out: a.sys.Stderr, Browser: browser}
}

// withoutSecrets is the environment less the vault's key, for the browser.
func (a *app) withoutSecrets() []string {
	var env []string
	for _, entry := range a.sys.Environ {
		if !strings.HasPrefix(entry, masterKeyVariable+"=") {
			env = append(env, entry)
		}
	}
	return env
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
	as := ""
	if conn.Account != "" {
		as = " as " + prompt.Printable(conn.Account)
	}
	status, text := "success", fmt.Sprintf("Logged in to %s (%s)%s: connected.", conn.Provider, conn.Name, as)
	if result.Already {
		status, text = "already_connected", fmt.Sprintf("Already logged in to %s (%s)%s.", conn.Provider, conn.Name, as)
		if o.withToken {
			a.notice("Standard input was not read. --force replaces the credential.")
		}
	}
	document := map[string]any{
		"status": status, "provider": conn.Provider, "connection": conn.Name, "record_status": string(broker.Connected),
		"account": optional(conn.Account), "scopes": list(conn.Credential.Scopes), "missing_scopes": list(result.Missing),
	}
	return a.print(document, func(w io.Writer) { fmt.Fprintln(w, text) })
}

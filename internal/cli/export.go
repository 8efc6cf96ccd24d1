package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"authsome/internal/broker"
)

// exportFormats is every format, with what writes one variable in it.
var exportFormats = map[string]func(name, value string) (string, error){
	"env":    envLine,
	"shell":  func(name, value string) (string, error) { return "export " + name + "=" + shellQuote(value), nil },
	"dotenv": func(name, value string) (string, error) { q, err := dotenvQuote(value); return name + "=" + q, err },
	"json":   nil, // one object, not a line a variable
}

func newExport(a *app) *cobra.Command {
	var connection, format string
	c := &cobra.Command{
		Use:   "export [PROVIDER]",
		Short: "Print credentials for tools that can't use a proxy",
		Long: `Print the credentials of one provider, or of all, for tools that can't use a proxy.
Prefer ` + "`authsome run`" + ` where it works: what is exported is out of authsome's hands.

Access tokens and API keys only, never refresh tokens or client secrets.

  env     NAME=value lines
  shell   export NAME='value' lines, safe for eval in any POSIX shell
  dotenv  quoted for readers of .env files
  json    one object
` + exitCodes(0, 1, 2, 3, 5, 6, 7),
		Example: `  eval "$(authsome export openai --format shell)"
  authsome export --format dotenv > .env
  authsome export github --connection work --format json`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: a.completeConnected,
		RunE: func(c *cobra.Command, args []string) error {
			if _, ok := exportFormats[format]; !ok {
				return usage(c, fmt.Errorf("--format %q is not one of env, shell, dotenv, json", format))
			}
			if len(args) == 0 && connection != "" {
				return usage(c, errors.New("--connection needs a provider"))
			}
			return a.export(c, strings.Join(args, ""), connection, format)
		},
	}
	f := c.Flags()
	f.StringVar(&connection, "connection", "", "`NAME` of the connection (default: the provider's default one)")
	f.StringVar(&format, "format", "env", "env, shell, dotenv or json")
	_ = c.RegisterFlagCompletionFunc("connection", a.completeConnections)
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"env", "shell", "dotenv", "json"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

func (a *app) export(c *cobra.Command, providerName, name, format string) error {
	b, _, err := a.broker()
	if err != nil {
		return err
	}
	defer b.Close()
	variables, err := b.Export(c.Context(), providerName, name)
	if err != nil {
		return err
	}
	if format == "json" {
		a.json = true
	}
	var lines strings.Builder
	values := make(map[string]string, len(variables))
	for _, v := range variables {
		values[v.Name] = v.Value.Reveal()
		if line := exportFormats[format]; line != nil {
			text, err := line(v.Name, v.Value.Reveal())
			if err != nil {
				return fmt.Errorf("%s: %w", v.Name, err)
			}
			fmt.Fprintln(&lines, text)
		}
		if v.Clash {
			a.warn("%s/%s is exported as %s: another connection has the plain name", v.Provider, v.Connection, v.Name)
		}
	}
	a.noteExport(variables)
	return a.print(values, func(w io.Writer) { _, _ = io.WriteString(w, lines.String()) })
}

func (a *app) noteExport(variables []broker.Variable) {
	if len(variables) == 0 {
		a.notice("Nothing to export: no connection has export names.")
		return
	}
	a.notice("Secrets are leaving the vault. `authsome run -- CMD` works without handing them over.")
}

// envLine is for readers that take a line as it is.
func envLine(name, value string) (string, error) {
	if strings.ContainsAny(value, "\r\n") {
		return "", errors.New("the value has more than one line; use --format json or shell")
	}
	return name + "=" + value, nil
}

// shellQuote quotes for any POSIX shell (XCU section 2.2.2): nothing is
// special between single quotes but the single quote.
func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// dotenvQuote quotes so that every common reader of .env files gives the
// value back, and refuses a value that they read in different ways.
func dotenvQuote(s string) (string, error) {
	plain := func(c rune) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("_-./:@%+,=", c)
	}
	switch {
	case strings.TrimLeftFunc(s, plain) == "":
		return s, nil
	case !strings.ContainsAny(s, `'\`) && !strings.Contains(s, "${"):
		return "'" + s + "'", nil
	case !strings.ContainsAny(s, "\"\\`$"):
		return `"` + s + `"`, nil
	}
	return "", errors.New("readers of .env files would not agree on this value; use --format json or shell")
}

package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"authsome/internal/prompt"
	"authsome/internal/provider"
)

func newRegister(a *app) *cobra.Command {
	var force, yes bool
	c := &cobra.Command{
		Use:   "register FILE",
		Short: "Add a custom provider from a definition file",
		Long: `Add a custom provider. The file is checked, every mistake is shown with its place,
and then you are shown where credentials would go and asked.
` + exitCodes(0, 1, 2, 7, 8),
		Example: `  authsome register ./acme.json
  authsome register ./acme.json --force --yes`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return a.register(c, args[0], force, yes) },
	}
	c.Flags().BoolVar(&force, "force", false, "replace a definition of the same name")
	c.Flags().BoolVar(&yes, "yes", false, "don't ask")
	return c
}

// maxDefinition bounds what is read; the provider package refuses less.
const maxDefinition = 1 << 20

func (a *app) register(c *cobra.Command, path string, force, yes bool) error {
	data, err := readFile(path)
	if err != nil {
		return err
	}
	def, unknown, err := provider.Parse(data)
	if err := mistakes(unknown, err); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	b, registry, err := a.broker()
	if err != nil {
		return err
	}
	defer b.Close()
	if old, err := registry.Get(def.Name); err == nil && !force {
		return &hinted{fmt.Errorf("provider %s exists already (%s)", def.Name, old.Source), fmt.Sprintf("authsome register %s --force", path)}
	}
	if err := a.confirm(c.Context(), def, yes); err != nil {
		return err
	}
	if _, err := b.Register(data, force); err != nil {
		return err
	}
	a.warnRegistered(c.Context(), registry.Hosts(func(name string) bool { return name == def.Name }))
	return a.print(map[string]string{"status": "registered", "provider": def.Name},
		func(w io.Writer) { fmt.Fprintf(w, "Registered %s. Next: authsome login %s\n", def.Name, def.Name) })
}

// mistakes adds unknown fields, which are mistakes here, to what else is wrong
// with a definition.
func mistakes(unknown []provider.Problem, err error) error {
	invalid := &provider.Invalid{}
	if len(unknown) == 0 || err != nil && !errors.As(err, &invalid) {
		return err
	}
	invalid.Problems = append(invalid.Problems, unknown...)
	slices.SortStableFunc(invalid.Problems, func(x, y provider.Problem) int {
		return cmp.Or(cmp.Compare(x.Line, y.Line), cmp.Compare(x.Column, y.Column))
	})
	return invalid
}

// readFile reads a regular file, whatever else path may be.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	if info.Size() > maxDefinition {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, maxDefinition)
	}
	return os.ReadFile(path)
}

// confirm shows where credentials would go and asks.
func (a *app) confirm(ctx context.Context, def *provider.Definition, yes bool) error {
	if yes {
		return nil
	}
	if err := a.canAsk("check the definition, then add --yes"); err != nil {
		return err
	}
	w := a.sys.Stderr
	fmt.Fprintf(w, "%s (%s) would send your credential to:\n", prompt.Printable(def.DisplayName), def.Name)
	for _, rule := range def.Rules {
		fmt.Fprintf(w, "  %s\n", prompt.Printable(rule.String()))
	}
	if def.OAuth != nil {
		showEndpoints(w, def.OAuth)
	}
	if foreign := def.ForeignHosts(); len(foreign) > 0 {
		fmt.Fprintf(w, "These belong to other owners than the hosts above: %s\n", prompt.Printable(strings.Join(foreign, ", ")))
	}
	if len(def.Origins) > 0 {
		fmt.Fprintf(w, "Pages of these sites may use it on websockets: %s\n", prompt.Printable(strings.Join(def.Origins, ", ")))
	}
	return a.ask(ctx, "Register it?")
}

// showEndpoints shows every address that a login, a refresh or a logout uses.
func showEndpoints(w io.Writer, o *provider.OAuth) {
	urls := []string{
		o.Issuer, o.Resource, o.AuthorizationURL, o.TokenURL, o.DeviceAuthorizationURL, o.RegistrationEndpoint,
		o.InstallationTokenURL, o.RevocationURL,
	}
	if o.Revocation != nil {
		urls = append(urls, o.Revocation.URL)
	}
	if o.Account != nil {
		urls = append(urls, o.Account.URL)
	}
	fmt.Fprintln(w, "and would log you in at:")
	for _, url := range urls {
		if url != "" {
			fmt.Fprintf(w, "  %s\n", prompt.Printable(url))
		}
	}
}

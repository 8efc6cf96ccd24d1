package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"authsome/internal/audit"
	"authsome/internal/ca"
	"authsome/internal/prompt"
	"authsome/internal/truststore"
)

type caOptions struct {
	stores             []string
	yes, dryRun, renew bool
}

// caFlags are the flags that install and uninstall share.
func caFlags(c *cobra.Command, o *caOptions) {
	f := c.Flags()
	f.StringSliceVar(&o.stores, "store", nil, "only this `STORE` (repeatable): "+strings.Join(truststore.Names(), ", "))
	f.BoolVar(&o.dryRun, "dry-run", false, "say what would be done, and do nothing")
	f.BoolVar(&o.yes, "yes", false, "don't ask")
	_ = c.RegisterFlagCompletionFunc("store", cobra.FixedCompletions(truststore.Names(), cobra.ShellCompDirectiveNoFileComp))
}

func newCAInstall(a *app) *cobra.Command {
	var o caOptions
	c := &cobra.Command{
		Use:   "install",
		Short: "Have trust stores trust a lasting certificate authority",
		Long: `Make a certificate authority that outlives runs, and put its certificate into the
trust stores of this machine, for programs that read nothing else. Its key is
sealed in the vault; it is good for the providers' hosts and for nothing else.
Most programs don't need it.

What takes root is not done: the command to run is printed. Installing again
does what is left to do.
` + exitCodes(0, 1, 2, 7, 8),
		Example: `  authsome ca install --dry-run
  authsome ca install
  authsome ca install --store firefox --yes`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.caInstall(c.Context(), o) },
	}
	caFlags(c, &o)
	c.Flags().BoolVar(&o.renew, "renew", false, "make a new one in the place of the one there is")
	return c
}

func (a *app) caInstall(ctx context.Context, o caOptions) error {
	kept, err := a.authority(ctx)
	if err != nil {
		return err
	}
	kept.adopt()
	fresh := kept.valid() == nil || o.renew
	if fresh {
		if err := kept.replace(ctx); err != nil {
			return err
		}
	}
	certs, err := kept.certs()
	if err != nil {
		return err
	}
	changes, err := kept.changes(ctx, o.stores, certs[0].Name)
	if err != nil {
		return err
	}
	if !fresh && len(changes) == 0 {
		return kept.finish(ctx, nil, "installed")
	}
	if o.dryRun {
		return a.planned(changes, func(w io.Writer) { kept.showInstall(w, fresh, changes) })
	}
	if !a.quiet && !a.json {
		kept.showInstall(a.sys.Stderr, fresh, changes)
	}
	if err := a.agree(ctx, "Install it?", o.yes); err != nil {
		return err
	}
	if _, err := a.createVault(ctx, kept.home); err != nil {
		return err
	}
	if err := kept.record(audit.Install, certs[0].Name); err != nil {
		return err
	}
	if err := kept.save(ctx, kept.Kept); err != nil {
		return err
	}
	return kept.finish(ctx, changes, "installed")
}

// replace puts a new root into the place of the one there is, in memory.
func (k *authority) replace(ctx context.Context) error {
	hosts, err := k.app.allHosts(ctx)
	if err != nil {
		return err
	}
	root, err := ca.NewRoot(hosts)
	if err != nil {
		return err
	}
	k.Kept = k.Retire()
	k.Root = root
	return nil
}

// showInstall says what an installation is and does.
func (k *authority) showInstall(w io.Writer, fresh bool, changes []change) {
	certs, _ := k.certs()
	if fresh {
		fmt.Fprintf(w, "This makes the certificate authority %s, valid until %s.\n", certs[0].Name, k.Root.NotAfter().Format(time.DateOnly))
		fmt.Fprintln(w, "It is good for the hosts of your providers and for nothing else. Programs outside\nof runs will trust it too. Its key is sealed in the vault, its certificate is in")
		fmt.Fprintf(w, "%s.\n", prompt.Printable(certs[0].File))
	}
	showChanges(w, changes)
	if len(changes) == 0 {
		fmt.Fprintln(w, "No trust store was found here.")
	}
	if slices.ContainsFunc(changes, func(c change) bool { return c.add && c.target.Store == "java" }) {
		fmt.Fprintln(w, "Java does not keep to the limit: it would take this authority for any host.")
	}
}

// planned prints what --dry-run found.
func (a *app) planned(changes []change, text func(io.Writer)) error {
	states := []storeState{}
	for _, c := range changes {
		states = append(states, c.state(!c.add))
	}
	return a.print(map[string]any{"status": "planned", "stores": states}, text)
}

package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"authsome/internal/audit"
)

func newCAUninstall(a *app) *cobra.Command {
	var o caOptions
	c := &cobra.Command{
		Use:   "uninstall",
		Short: "Take the certificate authority out of trust stores and forget it",
		Long: `Take the certificates that ` + "`authsome ca install`" + ` made out of the trust stores
they are in, and destroy the key. With --store the key stays, for the others.
What takes root is not done: the command to run is printed; run uninstall again
afterwards, and nothing is left.
` + exitCodes(0, 1, 2, 7, 8),
		Example: "  authsome ca uninstall --dry-run\n  authsome ca uninstall --yes",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return a.caUninstall(c.Context(), o) },
	}
	caFlags(c, &o)
	return c
}

func (a *app) caUninstall(ctx context.Context, o caOptions) error {
	kept, err := a.authority(ctx)
	if err != nil {
		return err
	}
	kept.adopt()
	certs, err := kept.certs()
	if err != nil {
		return err
	}
	changes, err := kept.changes(ctx, o.stores, "")
	if err != nil {
		return err
	}
	if len(certs) == 0 {
		return kept.finish(ctx, nil, "uninstalled")
	}
	forgets := len(o.stores) == 0
	show := func(w io.Writer) { kept.showUninstall(w, forgets, changes) }
	if o.dryRun {
		return a.planned(changes, show)
	}
	if !a.quiet && !a.json {
		show(a.sys.Stderr)
	}
	if err := a.agree(ctx, "Uninstall it?", o.yes); err != nil {
		return err
	}
	if forgets { // the key first: a certificate without one is worth nothing
		kept.Kept = kept.Retire()
	}
	if err := kept.record(audit.Uninstall, certs[0].Name); err != nil {
		return err
	}
	if kept.stored != nil {
		if err := kept.save(ctx, kept.Kept); err != nil {
			return err
		}
	}
	return kept.finish(ctx, changes, "uninstalled")
}

// showUninstall says what is going to be done.
func (k *authority) showUninstall(w io.Writer, forgets bool, changes []change) {
	if forgets && k.Root != nil {
		fmt.Fprintln(w, "This destroys the key of the installed certificate authority.")
	}
	showChanges(w, changes)
}

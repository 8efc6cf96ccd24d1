package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"authsome/internal/audit"
)

type logOptions struct {
	lines  int
	follow bool
	filter audit.Filter
}

func newLog(a *app) *cobra.Command {
	var o logOptions
	c := &cobra.Command{
		Use:   "log",
		Short: "Show the audit log",
		Long: `Show the audit log: every use of a credential, every refusal and every change. A
use is written before its request leaves, and its answer after.
` + exitCodes(0, 1, 2, 7),
		Example: `  authsome log -n 20
  authsome log --provider github --follow
  authsome log --decision deny --json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if o.lines < 1 {
				return usage(c, errors.New("-n has to be at least 1"))
			}
			return a.showLog(c.Context(), o)
		},
	}
	f := c.Flags()
	f.IntVarP(&o.lines, "lines", "n", 50, "how many of the last entries to show")
	f.BoolVarP(&o.follow, "follow", "f", false, "go on as new entries come; with --json one object a line")
	f.StringVar(&o.filter.Provider, "provider", "", "only this `PROVIDER`")
	f.StringVar(&o.filter.Host, "host", "", "only this `HOST`")
	f.StringVar(&o.filter.Decision, "decision", "", "only this decision: allow or deny")
	f.StringVar(&o.filter.Event, "event", "", "only this `EVENT`: use, answer, refuse, login, …")
	_ = c.RegisterFlagCompletionFunc("provider", a.completeProviders)
	return c
}

func (a *app) showLog(ctx context.Context, o logOptions) error {
	h, err := a.home()
	if err != nil {
		return err
	}
	entries, skipped, err := audit.Tail(h.auditLog(), o.lines, o.filter)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if skipped > 0 {
		a.warn("%d damaged line(s) in the audit log were passed over", skipped)
	}
	if o.follow {
		return a.followLog(ctx, h, entries, o)
	}
	if len(entries) == 0 {
		a.notice("The audit log has no such entry.")
	}
	document := append([]audit.Entry{}, entries...)
	return a.print(document, func(w io.Writer) {
		for _, e := range entries {
			a.printEntry(w, e)
		}
	})
}

// followLog goes on until the user has enough, or nobody reads any more.
func (a *app) followLog(ctx context.Context, h home, entries []audit.Entry, o logOptions) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	show := func(e audit.Entry) {
		if a.json {
			_ = json.NewEncoder(a.stdout).Encode(e) // a failed write is in a.stdout.err
		} else {
			a.printEntry(a.stdout, e)
		}
		if a.stdout.err != nil {
			cancel()
		}
	}
	for _, e := range entries {
		show(e)
	}
	err := audit.Follow(ctx, h.auditLog(), o.filter, show)
	if errors.Is(err, context.Canceled) {
		return a.stdout.err
	}
	return err
}

// printEntry writes an entry on one line.
func (a *app) printEntry(w io.Writer, e audit.Entry) {
	words := []string{e.Time.Local().Format(time.DateTime), e.Event}
	if e.Provider != "" {
		words = append(words, strings.TrimSuffix(e.Provider+"/"+e.Connection, "/"))
	}
	if e.Host != "" {
		words = append(words, e.Method, e.Host+e.Path)
	}
	if e.Status != 0 {
		words = append(words, fmt.Sprint(e.Status))
	}
	for _, word := range []string{e.Reason, e.Detail} {
		if word != "" {
			words = append(words, "("+word+")")
		}
	}
	style := ""
	if e.Decision == audit.Deny {
		style = red
	}
	a.table(w, [][]string{{strings.Join(words, " ")}}, func(int) string { return style })
}

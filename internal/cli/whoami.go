package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"authsome/internal/vault"
)

// whoami is what `whoami --json` prints.
type whoami struct {
	Version       string   `json:"authsome_version"`
	Home          string   `json:"home_directory"`
	Profile       string   `json:"active_profile"`
	KeySource     string   `json:"key_source"`
	KeyLocation   string   `json:"key_location"`
	AuditLog      string   `json:"audit_log"`
	InRun         bool     `json:"inside_run"`
	ConnectedProv int      `json:"connected_providers_count"`
	Connected     []string `json:"connected_providers"`
}

func newWhoami(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "whoami",
		Short:   "Show where things are and which key source is in use",
		Long:    "Show where things are, which key source is in use and what is connected.\n" + exitCodes(0, 7),
		Example: "  authsome whoami --json",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return a.whoami(c.Context()) },
	}
}

func (a *app) whoami(ctx context.Context) error {
	h, err := a.home()
	if err != nil {
		return err
	}
	b, _, err := a.broker()
	if err != nil {
		return err
	}
	defer b.Close()
	me := whoami{
		Version: version(), Home: string(h), Profile: a.profileName(), AuditLog: h.auditLog(),
		KeySource: "none", KeyLocation: "no vault yet: the first login makes one",
		InRun: a.getenv("AUTHSOME_PROXY_MODE") == "true", Connected: []string{},
	}
	v, err := a.openVault(ctx, h)
	if err == nil {
		me.KeySource, me.KeyLocation = v.Source()
	} else if !errors.Is(err, vault.ErrNoVault) {
		return err
	}
	connections, err := b.Connections(ctx)
	if err != nil {
		return err
	}
	for _, c := range connections {
		me.Connected = append(me.Connected, c.Provider)
	}
	me.Connected = slices.Compact(me.Connected)
	me.ConnectedProv = len(me.Connected)
	return a.print(me, func(w io.Writer) { printWhoami(w, a, me) })
}

func printWhoami(w io.Writer, a *app, me whoami) {
	rows := [][]string{
		{"Version:", me.Version}, {"Home:", me.Home}, {"Profile:", me.Profile},
		{"Key source:", me.KeySource + " (" + me.KeyLocation + ")"}, {"Audit log:", me.AuditLog},
		{"Connected:", dash(strings.Join(me.Connected, ", "))},
	}
	a.table(w, rows, nil)
	if me.InRun {
		fmt.Fprintln(w, "This is inside `authsome run`.")
	}
}

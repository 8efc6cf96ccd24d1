package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"authsome/internal/audit"
	"authsome/internal/ca"
	"authsome/internal/provider"
	"authsome/internal/vault"
)

// check is one line of `doctor`.
type check struct {
	Name   string `json:"check"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
	Hint   string `json:"hint,omitempty"`
}

func newDoctor(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "doctor [-- COMMAND [ARGS...]]",
		Short: "Check that everything is in order, or what a command needs",
		Long: `Check home folder, vault, audit log, providers, certificates and environment.

With a command after --, tell what it is and what it needs in a run instead:
which variables serve it, what in your configuration files defeats them, what a
run can't do for it, and what to do then. It changes nothing and does not start
the command.
` + exitCodes(0, 1),
		Example: "  authsome doctor\n  authsome doctor -- gh repo list\n  authsome doctor --json",
		RunE: func(c *cobra.Command, args []string) error {
			switch dash := c.ArgsLenAtDash(); {
			case len(args) == 0 && dash < 0:
				return a.doctor(c.Context())
			case dash != 0 || len(args) == 0 || args[0] == "":
				return usage(c, errors.New("which command? authsome doctor -- COMMAND [ARGS...]"))
			}
			return a.doctorCommand(c.Context(), args)
		},
	}
}

func (a *app) doctor(ctx context.Context) error {
	checks := []check{a.checkHomeFolder()}
	if checks[0].OK {
		h, _ := a.home()
		checks = append(checks, a.checkVault(ctx, h), a.checkConnections(ctx), checkAudit(h), checkProviders(h))
	}
	checks = append(checks, checkRoots(), a.checkProxy(), a.checkConfiguration())
	return a.diagnose(checks, nil)
}

func (a *app) printChecks(w io.Writer, checks []check) {
	rows, styles := [][]string{}, []string{}
	for _, c := range checks {
		rows = append(rows, []string{c.Name, map[bool]string{true: "ok", false: "FAIL"}[c.OK], c.Detail})
		styles = append(styles, map[bool]string{true: "", false: red}[c.OK])
	}
	a.table(w, rows, func(i int) string { return styles[i] })
	for _, c := range checks {
		if c.Hint != "" {
			a.table(w, [][]string{{c.Name + ": " + c.Hint}}, nil)
		}
	}
}

// result makes a check of an error.
func result(name, good string, err error) check {
	if err == nil {
		return check{Name: name, OK: true, Detail: good}
	}
	return check{Name: name, Detail: err.Error(), Hint: classify(err).hint}
}

func (a *app) checkHomeFolder() check {
	h, err := a.home()
	if err == nil {
		if _, statErr := os.Stat(string(h)); errors.Is(statErr, os.ErrNotExist) {
			return check{Name: "home", OK: true, Detail: string(h) + " (not there yet: the first login makes it)"}
		}
	}
	return result("home", string(h), err)
}

func (a *app) checkVault(ctx context.Context, h home) check {
	v, err := a.openVault(ctx, h)
	if errors.Is(err, vault.ErrNoVault) {
		return check{Name: "vault", OK: true, Detail: "none yet: the first login makes it"}
	}
	if err != nil {
		return result("vault", "", err)
	}
	_, where := v.Source()
	return check{Name: "vault", OK: true, Detail: "opens; its key is kept in: " + where}
}

func (a *app) checkConnections(ctx context.Context) check {
	b, registry, err := a.broker()
	if err != nil {
		return result("connections", "", err)
	}
	defer b.Close()
	all, err := b.Connections(ctx)
	if err != nil {
		return result("connections", "", err)
	}
	for _, c := range all {
		if _, unknown := registry.Get(c.Provider); unknown != nil {
			err = errors.Join(err, fmt.Errorf("%s: its provider is gone: %w", c, unknown))
		}
	}
	return result("connections", fmt.Sprintf("%d, all readable", len(all)), err)
}

func checkAudit(h home) check {
	_, skipped, err := audit.Tail(h.auditLog(), 1, audit.Filter{})
	switch {
	case errors.Is(err, os.ErrNotExist):
		return check{Name: "audit log", OK: true, Detail: "none yet"}
	case err == nil && skipped > 0:
		err = fmt.Errorf("%d damaged line(s) at its end", skipped)
	case err == nil:
		err = writable(h)
	}
	return result("audit log", h.auditLog(), err)
}

// writable opens the audit log, which is there, as a use of a credential would.
func writable(h home) error {
	log, err := audit.Open(h.auditLog())
	if err != nil {
		return err
	}
	return log.Close()
}

func checkProviders(h home) check {
	registry, _, err := provider.Load(h.providers())
	if err != nil {
		return result("providers", "", err)
	}
	return result("providers", fmt.Sprintf("%d definitions", len(registry.All())), errors.Join(registry.Warnings()...))
}

func checkRoots() check {
	pem, err := ca.SystemRoots()
	if err == nil {
		_, err = ca.Pool(pem)
	}
	return result("certificates", "the system's root certificates are readable", err)
}

func (a *app) checkProxy() check {
	parent, err := a.parentProxy()
	if err != nil {
		return result("parent proxy", "", err)
	}
	u, err := parent("api.example.com", 443, "https")
	if err != nil || u == nil {
		return result("parent proxy", "none", err)
	}
	return result("parent proxy", describeProxy(u), a.checkOuter(a.outer(parent)))
}

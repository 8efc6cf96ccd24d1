package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"authsome/internal/prompt"
	"authsome/internal/truststore"
)

// What a store is in, for the ca commands.
const (
	storeHas     = "installed"
	storeHasNot  = "not_installed"
	storeFailed  = "failed"
	storeRoot    = "needs_root"
	storeProgram = "needs_program"
)

// storeState is one store and certificate in what the ca commands print.
type storeState struct {
	Store       string `json:"store"`
	Where       string `json:"where"`
	Certificate string `json:"certificate"`
	State       string `json:"state"`
	Command     string `json:"command,omitempty"` // what changes the store
	Detail      string `json:"detail,omitempty"`
}

// change is what is to be done with one certificate in one store.
type change struct {
	target truststore.Target
	cert   truststore.Cert
	add    bool
}

func (c change) steps() []truststore.Step {
	if c.add {
		return c.target.Add
	}
	return c.target.Delete
}

// state is how the store stands, and what would change that.
func (c change) state(has bool) storeState {
	s := storeState{Store: c.target.Store, Where: c.target.Where, Certificate: c.cert.Name, State: storeHasNot}
	if has {
		s.State = storeHas
	}
	if has == c.add {
		return s
	}
	s.Command = c.shell()
	switch {
	case c.target.Needs != "":
		s.State, s.Detail = storeProgram, "install "+c.target.Needs
	case c.target.Root:
		s.State = storeRoot
	}
	return s
}

// shell is the change as a line for a shell.
func (c change) shell() string {
	prefix := ""
	if c.target.Root {
		prefix = "sudo "
	}
	return truststore.Shell(c.cert, c.steps(), prefix)
}

// changes finds what has to be done in the stores called names, all when there
// are none: certificates leave whatever stores they left a trace in, but for
// keep ("" for none), which comes into those that lack it.
func (k *authority) changes(ctx context.Context, names []string, keep string) ([]change, error) {
	certs, err := k.certs()
	if err != nil {
		return nil, err
	}
	system := k.app.stores()
	var found []change
	for _, cert := range certs {
		targets, err := truststore.Find(system, cert, names)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errUsage, err)
		}
		for _, t := range targets {
			c := change{t, cert, cert.Name == keep}
			if c.add && !t.Has(ctx, system, cert) || !c.add && t.Traces(ctx, system, cert) {
				found = append(found, c)
			}
		}
	}
	slices.SortStableFunc(found, func(x, y change) int { // out before in
		if x.add == y.add {
			return 0
		}
		return map[bool]int{false: -1, true: 1}[x.add]
	})
	return found, nil
}

// apply makes a change that can be made here and says how the store stands
// then.
func (a *app) apply(ctx context.Context, c change) storeState {
	s := c.state(!c.add)
	if s.State == storeProgram || s.State == storeRoot {
		return s
	}
	system := a.stores()
	if c.add && c.target.Has(ctx, system, c.cert) {
		return c.state(true) // Debian fills Java's keystore from the system's store
	}
	err := truststore.Apply(ctx, system, c.cert, c.steps())
	if err == nil && c.target.Has(ctx, system, c.cert) != c.add {
		err = errors.New("the commands succeeded, but the store has not changed")
	}
	if err != nil {
		s.State, s.Detail = storeFailed, err.Error()
		return s
	}
	return c.state(c.add)
}

// showChanges says what is going to be done.
func showChanges(w io.Writer, changes []change) {
	for _, c := range changes {
		verb := map[bool]string{true: "Into", false: "Out of"}[c.add]
		fmt.Fprintf(w, "%s %s (%s):\n", verb, c.target.Store, prompt.Printable(c.target.Where))
		switch {
		case c.target.Needs != "":
			fmt.Fprintf(w, "  nothing: install %s first\n", c.target.Needs)
			continue
		case c.target.Root:
			fmt.Fprintln(w, "  needs root, so nothing is done; run this yourself afterwards:")
		}
		fmt.Fprintf(w, "  %s\n", prompt.Printable(c.shell()))
	}
}

// agree asks, unless yes was said on the command line.
func (a *app) agree(ctx context.Context, question string, yes bool) error {
	if yes {
		return nil
	}
	if err := a.canAsk("look at it with --dry-run, then add --yes"); err != nil {
		return err
	}
	return a.ask(ctx, question)
}

// printStates prints how stores stand, and what is left to be done.
func (a *app) printStates(w io.Writer, states []storeState) {
	if len(states) == 0 {
		return
	}
	rows := [][]string{{"STORE", "WHERE", "CERTIFICATE", "STATE"}}
	for _, s := range states {
		rows = append(rows, []string{s.Store, s.Where, s.Certificate, strings.ReplaceAll(s.State, "_", " ")})
	}
	a.table(w, rows, func(i int) string {
		if i > 0 && states[i-1].State == storeFailed {
			return red
		}
		return ""
	})
	for _, s := range states {
		if s.Detail != "" {
			fmt.Fprintf(w, "%s: %s\n", s.Store, printableLines(s.Detail))
		}
		if s.State == storeRoot {
			fmt.Fprintf(w, "%s: run this yourself:\n  %s\n", s.Store, prompt.Printable(s.Command))
		}
	}
}

// finish applies changes, forgets retired certificates that no store has, and
// prints. done is the status when nothing is left to do.
func (k *authority) finish(ctx context.Context, changes []change, done string) error {
	states, status := []storeState{}, done
	for _, c := range changes {
		s := k.app.apply(ctx, c)
		if (s.State == storeHas) != c.add || s.State != storeHas && s.State != storeHasNot {
			status = "incomplete"
		}
		states = append(states, s)
	}
	if err := k.forget(ctx); err != nil {
		return err
	}
	err := k.app.print(map[string]any{"status": status, "stores": states}, func(w io.Writer) {
		k.app.printStates(w, states)
		fmt.Fprintln(w, map[string]string{"installed": "Installed.", "uninstalled": "Uninstalled.", "incomplete": "Not all of it is done."}[status])
	})
	if err == nil && status == "incomplete" {
		return &exitError{exit: exitOther}
	}
	return err
}

// forget drops retired certificates that no store has a trace of.
func (k *authority) forget(ctx context.Context) error {
	next := k.Kept
	next.Retired = nil
	for _, data := range k.Retired {
		alone := &authority{app: k.app, home: k.home}
		alone.Retired = [][]byte{data}
		left, err := alone.changes(ctx, nil, "")
		if err != nil {
			return err
		}
		if len(left) > 0 {
			next.Retired = append(next.Retired, data)
		}
	}
	if len(next.Retired) == len(k.Retired) {
		return nil
	}
	return k.save(ctx, next)
}

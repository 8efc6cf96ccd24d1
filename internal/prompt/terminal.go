package prompt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"

	"authsome/internal/login"
	"authsome/internal/secret"
)

// Terminal asks on a terminal with echo off.
type Terminal struct {
	In  *os.File  // the terminal
	Out io.Writer // where the question goes; never standard output
}

// Secret prints the question and reads one line without echo. An interrupt
// (the context ends) restores the terminal and returns login.ErrCancelled; a
// stop (Ctrl-Z) restores it while the process is stopped.
func (t Terminal) Secret(ctx context.Context, q login.Question) (secret.Text, error) {
	fd := int(t.In.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return secret.Text{}, fmt.Errorf("terminal: %w", err)
	}
	t.explain(q)
	defer handleStop(fd, before, func() { t.ask(q) })()
	t.ask(q)
	type result struct {
		line []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		// Ends with the line; on a cancelled context the process ends first.
		line, err := term.ReadPassword(fd)
		done <- result{line, err}
	}()
	select {
	case <-ctx.Done():
		_ = term.Restore(fd, before)
		fmt.Fprintln(t.Out)
		return secret.Text{}, login.ErrCancelled
	case r := <-done:
		fmt.Fprintln(t.Out)
		return terminalText(r.line, r.err)
	}
}

func terminalText(line []byte, err error) (secret.Text, error) {
	if errors.Is(err, io.EOF) || err == nil && len(line) == 0 {
		return secret.Text{}, login.ErrCancelled
	}
	if err != nil {
		return secret.Text{}, fmt.Errorf("terminal: %w", err)
	}
	return secret.New(string(line)), nil
}

func (t Terminal) explain(q login.Question) {
	if q.CreateURL != "" {
		fmt.Fprintf(t.Out, "Make a key at %s\n", Printable(q.CreateURL))
	}
	if q.Hint != "" {
		fmt.Fprintln(t.Out, Printable(q.Hint))
	}
}

func (t Terminal) ask(q login.Question) {
	fmt.Fprintf(t.Out, "%s for %s (not shown): ", Printable(q.Label), Printable(q.Provider))
}

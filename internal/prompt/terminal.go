package prompt

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

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
	line, err := answer(ctx, func() ([]byte, error) { return term.ReadPassword(fd) })
	if errors.Is(err, login.ErrCancelled) {
		_ = term.Restore(fd, before)
	}
	fmt.Fprintln(t.Out)
	return terminalText(line, err)
}

// Confirm prints the question and reports whether the answer is yes. An
// interrupt returns login.ErrCancelled.
func (t Terminal) Confirm(ctx context.Context, question string) (bool, error) {
	fmt.Fprintf(t.Out, "%s [y/N] ", Printable(question))
	line, err := answer(ctx, func() ([]byte, error) {
		return bufio.NewReader(io.LimitReader(t.In, maxAnswer)).ReadBytes('\n')
	})
	if err != nil {
		fmt.Fprintln(t.Out)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	word := strings.ToLower(strings.TrimSpace(string(line)))
	return err == nil && (word == "y" || word == "yes"), nil
}

// maxAnswer is how many bytes a yes or a no may take.
const maxAnswer = 1 << 10

func terminalText(line []byte, err error) (secret.Text, error) {
	if errors.Is(err, io.EOF) || err == nil && len(line) == 0 {
		return secret.Text{}, login.ErrCancelled
	}
	if errors.Is(err, login.ErrCancelled) {
		return secret.Text{}, err
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

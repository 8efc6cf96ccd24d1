package prompt

import (
	"bufio"
	"cmp"
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

// Terminal asks on a terminal, secrets with echo off, and sends the human to a
// page by printing its URL and, where it has a Browser, opening it.
type Terminal struct {
	In      *os.File  // the terminal
	Out     io.Writer // where the question goes; never standard output
	Browser Browser   // the zero Browser opens nothing
	Colour  bool      // a QR code is drawn black on white
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
	ask := func() { t.ask(q, " (not shown)") }
	defer handleStop(fd, before, ask)()
	ask()
	line, err := answer(ctx, func() ([]byte, error) { return term.ReadPassword(fd) })
	if errors.Is(err, login.ErrCancelled) {
		_ = term.Restore(fd, before)
	}
	fmt.Fprintln(t.Out)
	line, err = terminalLine(line, err, q)
	return secret.New(string(line)), err
}

// Text prints the question and reads one line, as typed. An interrupt returns
// login.ErrCancelled, and so does an empty line unless the answer is optional.
func (t Terminal) Text(ctx context.Context, q login.Question) (string, error) {
	t.explain(q)
	t.ask(q, "")
	line, err := t.line(ctx)
	line, err = terminalLine(line, err, q)
	return string(line), err
}

// Confirm prints the question and reports whether the answer is yes. An
// interrupt returns login.ErrCancelled.
func (t Terminal) Confirm(ctx context.Context, question string) (bool, error) {
	fmt.Fprintf(t.Out, "%s [y/N] ", Printable(question))
	line, err := t.line(ctx)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	word := strings.ToLower(string(line))
	return err == nil && (word == "y" || word == "yes"), nil
}

// maxAnswer is how many bytes a yes, a no or a client id may take.
const maxAnswer = 1 << 10

// line reads one line with echo, less the space around it.
func (t Terminal) line(ctx context.Context) ([]byte, error) {
	line, err := answer(ctx, func() ([]byte, error) {
		// A terminal hands out one line a time, so the reader keeps nothing back.
		return bufio.NewReader(io.LimitReader(t.In, maxAnswer)).ReadBytes('\n')
	})
	if err != nil {
		fmt.Fprintln(t.Out)
	}
	return []byte(strings.TrimSpace(string(line))), err
}

// terminalLine is what a line means as an answer.
func terminalLine(line []byte, err error, q login.Question) ([]byte, error) {
	switch {
	case errors.Is(err, io.EOF), err == nil && len(line) == 0 && !q.Optional:
		return nil, login.ErrCancelled
	case errors.Is(err, login.ErrCancelled):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("terminal: %w", err)
	}
	return line, nil
}

func (t Terminal) explain(q login.Question) {
	if q.CreateURL != "" {
		fmt.Fprintf(t.Out, "%s at %s\n", Printable(create(q)), Printable(q.CreateURL))
	}
	if q.Hint != "" {
		fmt.Fprintln(t.Out, Printable(q.Hint))
	}
}

// create is what to do at the page of a question.
func create(q login.Question) string { return cmp.Or(q.Create, "Make a key") }

func (t Terminal) ask(q login.Question, note string) {
	fmt.Fprintf(t.Out, "%s for %s%s: ", Printable(q.Label), Printable(q.Provider), note)
}

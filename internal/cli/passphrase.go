package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"

	"authsome/internal/login"
	"authsome/internal/prompt"
	"authsome/internal/secret"
)

// theVault is what questions are about that are no provider's.
const theVault = "the vault"

// askVault asks the human for what the vault's key needs, each thing once. It
// is called with the vault being opened, by one goroutine at a time.
func (a *app) askVault(ctx context.Context, what string) (secret.Text, error) {
	if answer, ok := a.answers[what]; ok {
		return answer, nil
	}
	if a.terminalGiven.Load() {
		return secret.Text{}, fmt.Errorf("%w: the command has it", prompt.ErrNobody)
	}
	answer, err := a.askHidden(ctx, what, theVault)
	if err != nil {
		return secret.Text{}, err
	}
	if a.answers == nil {
		a.answers = map[string]secret.Text{}
	}
	a.answers[what] = answer
	return answer, nil
}

// askHidden asks on the terminal, wherever the standard streams lead, without
// showing what is typed.
func (a *app) askHidden(ctx context.Context, what, of string) (secret.Text, error) {
	in, out, done, err := a.terminal()
	if err != nil {
		return secret.Text{}, err
	}
	defer done()
	return prompt.Terminal{In: in, Out: out}.Secret(ctx, login.Question{Label: what, Provider: of})
}

// terminal is where a human can be asked: the standard streams, or the
// terminal that they were led away from. A command inside a run gets no more
// than its streams.
func (a *app) terminal() (in *os.File, out io.Writer, done func(), err error) {
	if a.interactive() {
		return a.sys.Stdin, a.sys.Stderr, func() {}, nil
	}
	if a.getenv("AUTHSOME_PROXY_MODE") == "true" {
		return nil, nil, nil, prompt.ErrNobody
	}
	tty, err := os.OpenFile(terminalPath, os.O_RDWR, 0)
	if err != nil {
		return nil, nil, nil, prompt.ErrNobody
	}
	if term.IsTerminal(int(a.sys.Stderr.Fd())) {
		return tty, a.sys.Stderr, func() { tty.Close() }, nil
	}
	return tty, tty, func() { tty.Close() }, nil
}

// newPassphrase asks for one twice, or reads it from standard input.
func (a *app) newPassphrase(ctx context.Context, stdin bool, of string) (secret.Text, error) {
	if stdin {
		return a.readSecret(ctx)
	}
	first, err := a.askHidden(ctx, "New passphrase", of)
	if err != nil {
		return secret.Text{}, withHint(err, "on a machine without a terminal, hand it in on standard input; see --help")
	}
	again, err := a.askHidden(ctx, "The same again", of)
	if err == nil && !first.Equal(again) {
		err = errors.New("the two are not the same")
	}
	return first, err
}

// readSecret reads one line from standard input.
func (a *app) readSecret(ctx context.Context) (secret.Text, error) {
	return prompt.Stdin{In: a.sys.Stdin}.Secret(ctx, login.Question{})
}

// withHint adds a hint to the error that there is nobody to ask.
func withHint(err error, hint string) error {
	if errors.Is(err, prompt.ErrNobody) {
		return &hinted{err, hint}
	}
	return err
}

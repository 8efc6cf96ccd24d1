// Package prompt asks a human: on the terminal, or whatever stands behind
// standard input.
//
// It knows no provider and no vault. An attacker can control the texts of a
// question (a provider definition is data from elsewhere) and what arrives on
// standard input; texts are printed with control characters escaped, input is
// bounded.
package prompt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"

	"authsome/internal/login"
	"authsome/internal/secret"
)

// MaxInput is how many bytes of standard input a secret may take.
const MaxInput = 64 << 10

// ErrInput is returned when standard input holds no usable secret.
var ErrInput = errors.New("no usable secret on standard input")

// Stdin reads the answer from a stream: a pipe from a script or a password
// manager.
type Stdin struct {
	In io.Reader
}

// Secret reads the stream to its end. One trailing line ending is dropped; a
// second line makes the value unusable, and so does more than MaxInput.
func (s Stdin) Secret(ctx context.Context, _ login.Question) (secret.Text, error) {
	data, err := answer(ctx, func() ([]byte, error) { return io.ReadAll(io.LimitReader(s.In, MaxInput+1)) })
	if errors.Is(err, login.ErrCancelled) {
		return secret.Text{}, err
	}
	return stdinText(data, err)
}

// answer waits for read, or for the end of ctx: login.ErrCancelled.
func answer(ctx context.Context, read func() ([]byte, error)) ([]byte, error) {
	type result struct {
		data []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		// Ends with the input; on a cancelled context the process ends first.
		data, err := read()
		done <- result{data, err}
	}()
	select {
	case <-ctx.Done():
		return nil, login.ErrCancelled
	case r := <-done:
		return r.data, r.err
	}
}

func stdinText(data []byte, err error) (secret.Text, error) {
	switch {
	case err != nil:
		return secret.Text{}, fmt.Errorf("%w: %w", ErrInput, err)
	case len(data) > MaxInput:
		return secret.Text{}, fmt.Errorf("%w: more than %d bytes", ErrInput, MaxInput)
	}
	line := trimEnding(data)
	if len(line) == 0 {
		return secret.Text{}, fmt.Errorf("%w: it is empty", ErrInput)
	}
	if bytes.ContainsAny(line, "\r\n") {
		return secret.Text{}, fmt.Errorf("%w: it has more than one line", ErrInput)
	}
	return secret.New(string(line)), nil
}

// trimEnding drops one line ending, LF or CRLF.
func trimEnding(data []byte) []byte {
	data = bytes.TrimSuffix(data, []byte("\n"))
	return bytes.TrimSuffix(data, []byte("\r"))
}

// Printable returns s with everything that could move a cursor, recolour a
// terminal or reorder text (control, format and private-use characters)
// escaped as in a Go string.
func Printable(s string) string {
	var b strings.Builder
	for _, r := range strings.ToValidUTF8(s, "\uFFFD") {
		if r == ' ' || unicode.IsGraphic(r) && !unicode.Is(unicode.Co, r) && r != '\u2028' && r != '\u2029' {
			b.WriteRune(r)
			continue
		}
		quoted := strconv.QuoteRuneToASCII(r)
		b.WriteString(quoted[1 : len(quoted)-1])
	}
	return b.String()
}

// ErrNobody is returned when there is no human to ask.
var ErrNobody = errors.New("there is no terminal to ask on")

// Nobody is the answer where neither a terminal nor a pipe was offered.
type Nobody struct {
	Hint string // the command that works without a terminal
}

// Secret returns ErrNobody with the hint.
func (n Nobody) Secret(context.Context, login.Question) (secret.Text, error) {
	return secret.Text{}, fmt.Errorf("%w: %s", ErrNobody, n.Hint)
}

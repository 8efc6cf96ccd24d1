package prompt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"authsome/internal/login"
	"authsome/internal/secret"
)

// ErrInput is returned when standard input holds no usable secret.
var ErrInput = errors.New("no usable secret on standard input")

// Stdin reads the answer from a stream: a pipe from a script or a password
// manager. It answers one question.
type Stdin struct {
	In    io.Reader
	Lines bool // more than one line is a value too: a private key in PEM
}

// Secret reads the stream to its end. One trailing line ending is dropped; a
// second line makes the value unusable unless Lines is set, and so does more
// than MaxInput.
func (s Stdin) Secret(ctx context.Context, _ login.Question) (secret.Text, error) {
	data, err := answer(ctx, func() ([]byte, error) { return io.ReadAll(io.LimitReader(s.In, MaxInput+1)) })
	if errors.Is(err, login.ErrCancelled) {
		return secret.Text{}, err
	}
	return s.text(data, err)
}

// Text returns ErrNobody: the stream holds one secret.
func (s Stdin) Text(context.Context, login.Question) (string, error) { return "", ErrNobody }

// Visit returns ErrNobody.
func (s Stdin) Visit(context.Context, login.Visit) error { return ErrNobody }

func (s Stdin) text(data []byte, err error) (secret.Text, error) {
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
	if !s.Lines && bytes.ContainsAny(line, "\r\n") {
		return secret.Text{}, fmt.Errorf("%w: it has more than one line", ErrInput)
	}
	return secret.New(string(line)), nil
}

// trimEnding drops one line ending, LF or CRLF.
func trimEnding(data []byte) []byte {
	data = bytes.TrimSuffix(data, []byte("\n"))
	return bytes.TrimSuffix(data, []byte("\r"))
}

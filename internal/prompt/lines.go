package prompt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"authsome/internal/login"
	"authsome/internal/secret"
)

// Lines reads the answers to several questions from one stream: one a line in
// the order of the questions, or lines NAME=value as tools print them for a
// shell, with or without "export" and quotes, among others that nobody asks
// for. Its zero value but for In is ready; it serves one login.
type Lines struct {
	In io.Reader

	read  bool
	named bool     // the lines have names
	lines []string // not asked for yet, without empty ones
}

// Secret returns the next line, or the one of the question's name. A question
// that needs no answer gets an empty one when there is no line for it.
func (l *Lines) Secret(ctx context.Context, q login.Question) (secret.Text, error) {
	if err := l.readAll(ctx, q); err != nil {
		return secret.Text{}, err
	}
	i := 0
	if l.named {
		i = slices.IndexFunc(l.lines, func(line string) bool { return slices.Contains(q.Names, nameOf(line)) })
	}
	if i < 0 || i >= len(l.lines) {
		if q.Optional {
			return secret.Text{}, nil
		}
		return secret.Text{}, fmt.Errorf("%w: there is no line for the %s", ErrInput, strings.ToLower(q.Label[:1])+q.Label[1:])
	}
	value := l.lines[i]
	l.lines = slices.Delete(l.lines, i, i+1)
	if l.named {
		value = valueOf(value)
	}
	return secret.New(value), nil
}

// readAll reads the stream once. The first question tells how to read it.
func (l *Lines) readAll(ctx context.Context, q login.Question) error {
	if l.read {
		return nil
	}
	l.read = true
	data, err := answer(ctx, func() ([]byte, error) { return io.ReadAll(io.LimitReader(l.In, MaxInput+1)) })
	if errors.Is(err, login.ErrCancelled) {
		return err
	}
	if _, err := (Stdin{Lines: true}).text(data, err); err != nil {
		return err
	}
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimRight(line, "\r\n"); line != "" {
			l.lines = append(l.lines, line)
		}
	}
	l.named = slices.ContainsFunc(l.lines, func(line string) bool { return slices.Contains(q.Names, nameOf(line)) })
	return nil
}

// nameOf returns what stands before the equals sign, or "".
func nameOf(line string) string {
	name, _, ok := strings.Cut(strings.TrimPrefix(line, "export "), "=")
	if !ok {
		return ""
	}
	return strings.TrimSpace(name)
}

// valueOf returns what stands behind it, without quotes.
func valueOf(line string) string {
	_, value, _ := strings.Cut(line, "=")
	value = strings.TrimSpace(value)
	for _, quote := range []string{`"`, "'"} {
		if inner, ok := strings.CutPrefix(value, quote); ok && strings.HasSuffix(inner, quote) {
			return strings.TrimSuffix(inner, quote)
		}
	}
	return value
}

// Text returns ErrNobody: the stream holds secrets.
func (l *Lines) Text(context.Context, login.Question) (string, error) { return "", ErrNobody }

// Visit returns ErrNobody.
func (l *Lines) Visit(context.Context, login.Visit) error { return ErrNobody }

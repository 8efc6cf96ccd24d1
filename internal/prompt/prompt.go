// Package prompt asks a human: on the terminal, with a form in the browser, or
// whatever stands behind standard input.
//
// It knows no provider, no OAuth and no vault. An attacker can control the
// texts of a question (a provider definition is data from elsewhere), what
// arrives on standard input, and what other pages and processes of the machine
// send to the form; texts are printed with control characters escaped, input
// is bounded, and the form takes an answer from its own page only.
package prompt

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"unicode"

	"authsome/internal/login"
)

// MaxInput is how many bytes a secret may take.
const MaxInput = 64 << 10

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

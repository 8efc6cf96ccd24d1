package prompt_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"authsome/internal/login"
	"authsome/internal/prompt"
)

// TestStdin is O031 as far as a stream goes; what a header can carry is
// checked by the login.
func TestStdin(t *testing.T) {
	for name, c := range map[string]struct {
		in    string
		lines bool
		want  string
		err   error
	}{
		"O031_newline":        {in: "key\n", want: "key"},
		"O031_CRLF":           {in: "key\r\n", want: "key"},
		"O031_no_newline":     {in: "key", want: "key"},
		"O031_one_newline":    {in: "key\n\n", err: prompt.ErrInput},
		"O031_two_lines":      {in: "key\nother\n", err: prompt.ErrInput},
		"O031_empty":          {in: "", err: prompt.ErrInput},
		"O031_only_newline":   {in: "\n", err: prompt.ErrInput},
		"O031_64_KiB":         {in: strings.Repeat("x", prompt.MaxInput), want: strings.Repeat("x", prompt.MaxInput)},
		"O031_1_MiB":          {in: strings.Repeat("x", 1<<20), err: prompt.ErrInput},
		"private_key":         {in: "-----BEGIN\nx\n-----END\n", lines: true, want: "-----BEGIN\nx\n-----END"},
		"private_key_too_big": {in: strings.Repeat("x\n", 1<<20), lines: true, err: prompt.ErrInput},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := prompt.Stdin{In: strings.NewReader(c.in), Lines: c.lines}.Secret(t.Context(), login.Question{})
			if !errors.Is(err, c.err) || got.Reveal() != c.want {
				t.Errorf("%.40q, error %v", got.Reveal(), err)
			}
		})
	}
}

func TestStdinCancel(t *testing.T) {
	in, out := io.Pipe()
	defer out.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (prompt.Stdin{In: in}).Secret(ctx, login.Question{}); !errors.Is(err, login.ErrCancelled) {
		t.Errorf("error %v", err)
	}
}

func TestStdinAnswersOneQuestion(t *testing.T) {
	var ui login.UI = prompt.Stdin{In: strings.NewReader("x")}
	if _, err := ui.Text(t.Context(), login.Question{}); !errors.Is(err, prompt.ErrNobody) {
		t.Errorf("Text: %v", err)
	}
	if err := ui.Visit(t.Context(), login.Visit{}); !errors.Is(err, prompt.ErrNobody) {
		t.Errorf("Visit: %v", err)
	}
}

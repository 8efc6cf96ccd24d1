package cli

import (
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSplitWords(t *testing.T) {
	tests := []struct {
		line string
		want []string
		err  error
	}{
		{"", nil, nil},
		{" \t ", nil, nil},
		{"op read op://Private/OpenAI/credential?attribute=otp", []string{"op", "read", "op://Private/OpenAI/credential?attribute=otp"}, nil},
		{`op read "op://My Vault/a 'b'/c"`, []string{"op", "read", "op://My Vault/a 'b'/c"}, nil},
		{`a 'b c'"d e"f\ g ''`, []string{"a", "b cd ef g", ""}, nil},
		{`sh -c 'pass show x | head -n 1; echo $HOME'`, []string{"sh", "-c", "pass show x | head -n 1; echo $HOME"}, nil},
		{`a "\"\\\$\x"`, []string{"a", `"\$\x`}, nil},
		{"a 'b\nc'", []string{"a", "b\nc"}, nil},
		{"é 'ü'", []string{"é", "ü"}, nil},
		{"a | b", nil, errShell}, {"a; b", nil, errShell}, {"a > b", nil, errShell}, {"a & b", nil, errShell}, {"a\nb", nil, errShell},
		{"a $B", nil, errShell}, {`a "$B"`, nil, errShell}, {"a `b`", nil, errShell}, {"a (b)", nil, errShell},
		{"a 'b", nil, errQuote}, {`a "b`, nil, errQuote}, {`a \`, nil, errQuote}, {`a "b\`, nil, errQuote},
	}
	for _, tt := range tests {
		got, err := splitWords(tt.line)
		if !errors.Is(err, tt.err) || err == nil && cmp.Diff(tt.want, got) != "" {
			t.Errorf("%q: %q, %v; want %q, %v", tt.line, got, err, tt.want, tt.err)
		}
	}
}

// TestSplitWordsIsAShells: whatever is accepted, a shell splits in the same way.
func TestSplitWordsIsAShells(t *testing.T) {
	for _, line := range []string{`a b  c`, `'a'b"c"\d`, `"a\"b" 'c\d' "e\f"`, `x=y --flag="a b" -- '' "" z`, `a\ b\'c`} {
		want, err := exec.Command("sh", "-c", `printf '%s\0' `+line).Output()
		got, splitErr := splitWords(line)
		if err != nil || splitErr != nil || strings.Join(got, "\x00")+"\x00" != string(want) {
			t.Errorf("%s: %q, the shell %q (%v, %v)", line, got, want, splitErr, err)
		}
	}
}

func FuzzSplitWords(f *testing.F) {
	f.Add(`a 'b c' "d\"e" f\ g`)
	f.Add("a 'b")
	f.Fuzz(func(t *testing.T, line string) {
		words, err := splitWords(line)
		if err != nil {
			return
		}
		again, err := splitWords(joinWords(words))
		if err != nil || cmp.Diff(words, again) != "" {
			t.Fatalf("%q: %q became %q (%v)", line, words, again, err)
		}
	})
}

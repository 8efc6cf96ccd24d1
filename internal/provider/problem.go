package provider

import (
	"cmp"
	"fmt"
	"strings"
)

// Problem is one mistake in a definition.
type Problem struct {
	Line, Column int    // from 1; the column counts bytes
	Path         string // "oauth.scopes[2]"; "" for the file as a whole
	Message      string
}

// String returns "line:column path: message".
func (p Problem) String() string {
	if p.Path == "" {
		return fmt.Sprintf("%d:%d: %s", p.Line, p.Column, p.Message)
	}
	return fmt.Sprintf("%d:%d: %s: %s", p.Line, p.Column, p.Path, p.Message)
}

// Invalid is the error of a definition or policy that can't be used.
type Invalid struct {
	Document string // "policy", or "" for a definition
	File     string // "" when it came from no file
	Problems []Problem
}

// Error lists every problem, one a line.
func (e *Invalid) Error() string {
	var b strings.Builder
	b.WriteString(cmp.Or(e.Document, "provider definition") + " is invalid")
	for _, p := range e.Problems {
		b.WriteString("\n  ")
		if e.File != "" {
			b.WriteString(e.File + ":")
		}
		b.WriteString(p.String())
	}
	return b.String()
}

// pointerText writes a JSON pointer (RFC 6901) as people write paths:
// "/oauth/scopes/2" becomes "oauth.scopes[2]".
func pointerText(pointer string) string {
	var b strings.Builder
	for segment := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		switch {
		case segment != "" && strings.Trim(segment, "0123456789") == "":
			b.WriteString("[" + segment + "]")
		case b.Len() > 0:
			b.WriteString("." + segment)
		default:
			b.WriteString(segment)
		}
	}
	return b.String()
}

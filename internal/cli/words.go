package cli

import (
	"errors"
	"strings"
)

var (
	errQuote = errors.New("a quote is not closed")
	errShell = errors.New("no shell runs the command")
)

// shellOnly are the characters that would mean something to a shell where they
// stand bare.
const shellOnly = "$`|&;<>()\n"

// splitWords splits a command line into words as a POSIX shell does (XCU
// section 2.2), with quotes and backslashes and nothing else. What only a
// shell could do is refused, not taken literally.
func splitWords(line string) ([]string, error) {
	s := splitter{rest: line}
	for s.rest != "" && s.err == nil {
		s.step()
	}
	if s.inWord {
		s.words = append(s.words, s.word.String())
	}
	return s.words, s.err
}

type splitter struct {
	rest   string
	words  []string
	word   strings.Builder
	inWord bool
	err    error
}

// step takes one character, or one pair of single quotes or double quotes.
func (s *splitter) step() {
	c := s.rest[0]
	s.rest = s.rest[1:]
	switch {
	case c == ' ' || c == '\t':
		if s.inWord {
			s.words = append(s.words, s.word.String())
		}
		s.word.Reset()
		s.inWord = false
	case strings.IndexByte(shellOnly, c) >= 0:
		s.err = errShell
	case c == '\'':
		s.single()
	case c == '"':
		s.double()
	case c == '\\' && s.rest == "":
		s.err = errQuote
	case c == '\\':
		s.put(s.rest[:1])
		s.rest = s.rest[1:]
	default:
		s.put(string([]byte{c}))
	}
}

func (s *splitter) put(text string) {
	s.word.WriteString(text)
	s.inWord = true
}

func (s *splitter) single() {
	text, rest, closed := strings.Cut(s.rest, "'")
	if !closed {
		s.err = errQuote
	}
	s.put(text)
	s.rest = rest
}

func (s *splitter) double() {
	for s.rest != "" {
		c := s.rest[0]
		s.rest = s.rest[1:]
		switch {
		case c == '"':
			s.put("")
			return
		case c == '$' || c == '`':
			s.err = errShell
			return
		case c == '\\' && s.rest != "" && strings.IndexByte("$`\"\\", s.rest[0]) >= 0:
			s.put(s.rest[:1])
			s.rest = s.rest[1:]
		default:
			s.put(string([]byte{c}))
		}
	}
	s.err = errQuote
}

// joinWords is a command line that splitWords splits into words.
func joinWords(words []string) string {
	quoted := make([]string, len(words))
	for i, word := range words {
		quoted[i] = word
		if word == "" || strings.ContainsAny(word, " \t'\"\\"+shellOnly) {
			quoted[i] = shellQuote(word)
		}
	}
	return strings.Join(quoted, " ")
}

package cli

import (
	"bytes"
	"strings"
)

// envValue is one NAME=value of an .env file.
type envValue struct {
	name  string
	value string
	line  int // from 1
	start int // of the value in the file, without its quotes, in bytes
}

// parseDotenv finds the settings of an .env file. Readers of such files differ
// in what they allow; what they would not read alike (a backslash or a dollar
// sign where some of them see a meaning, text behind a quote) is left out. unread
// counts those lines.
func parseDotenv(data []byte) (settings []envValue, unread int) {
	at, line := 0, 1
	if bytes.HasPrefix(data, []byte("\xef\xbb\xbf")) {
		at = 3
	}
	for at < len(data) {
		s, end, ok := parseSetting(data, at)
		s.line = line
		switch {
		case ok && s.name != "":
			settings = append(settings, s)
		case !ok:
			unread++
		}
		line += bytes.Count(data[at:end], []byte("\n"))
		at = end
	}
	return settings, unread
}

// parseSetting reads what begins at a line's start and returns where the next
// line starts. A comment or an empty line has no name.
func parseSetting(data []byte, at int) (s envValue, next int, ok bool) {
	end := lineEnd(data, at)
	head, _, found := strings.Cut(string(data[at:end]), "=")
	trimmed := strings.TrimSpace(string(data[at:end]))
	if trimmed == "" || trimmed[0] == '#' {
		return s, nextLine(data, end), true
	}
	s.name = strings.TrimSpace(head)
	if rest, exported := strings.CutPrefix(s.name, "export"); exported && rest != strings.TrimLeft(rest, " \t") {
		s.name = strings.TrimLeft(rest, " \t")
	}
	if !found || !isVariable(s.name) {
		return s, nextLine(data, end), false
	}
	s.start = at + len(head) + 1
	for s.start < end && (data[s.start] == ' ' || data[s.start] == '\t') {
		s.start++
	}
	if s.start < end && strings.IndexByte("'\"`", data[s.start]) >= 0 {
		return quotedSetting(data, s, end)
	}
	text := string(data[s.start:end])
	for i := range len(text) { // a comment begins at a # behind a space
		if text[i] == '#' && (i == 0 || text[i-1] == ' ' || text[i-1] == '\t') {
			text = text[:i]
			break
		}
	}
	s.value = strings.TrimRight(text, " \t\r")
	return s, nextLine(data, end), !strings.ContainsAny(s.value, "\\$'\"` ")
}

// quotedSetting reads a value in quotes, which may have more than one line.
func quotedSetting(data []byte, s envValue, end int) (envValue, int, bool) {
	quote := data[s.start]
	s.start++
	length := bytes.IndexByte(data[s.start:], quote)
	if length < 0 {
		return s, nextLine(data, end), false
	}
	s.value = string(data[s.start : s.start+length])
	closed := s.start + length + 1
	end = lineEnd(data, closed)
	rest := strings.TrimSpace(string(data[closed:end]))
	clear := !strings.Contains(s.value, `\`) && (quote == '\'' || !strings.Contains(s.value, "$"))
	return s, nextLine(data, end), clear && (rest == "" || rest[0] == '#')
}

func lineEnd(data []byte, at int) int {
	if i := bytes.IndexByte(data[at:], '\n'); i >= 0 {
		return at + i
	}
	return len(data)
}

func nextLine(data []byte, end int) int { return min(end+1, len(data)) }

func isVariable(name string) bool {
	for i, c := range []byte(name) {
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

// replaceValues puts text in the place of the values of some settings, which
// are in the order of the file. Every other byte stays as it is.
func replaceValues(data []byte, settings []envValue, text string) []byte {
	var out []byte
	from := 0
	for _, s := range settings {
		out = append(append(out, data[from:s.start]...), text...)
		from = s.start + len(s.value)
	}
	return append(out, data[from:]...)
}

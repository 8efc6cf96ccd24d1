package provider

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// checkText refuses text that a terminal or a page could show as something
// else: controls, direction marks and other invisible characters.
func checkText(s string, limit int) error {
	if utf8.RuneCountInString(s) > limit {
		return fmt.Errorf("text is longer than %d characters", limit)
	}
	for _, r := range s {
		if !isVisible(r) {
			return fmt.Errorf("text holds the invisible or control character U+%04X", r)
		}
	}
	return nil
}

// isVisible reports whether r may stand in text.
func isVisible(r rune) bool {
	return r != utf8.RuneError && (unicode.IsPrint(r) || r == '\u00a0' || unicode.Is(unicode.Zs, r))
}

// quote returns s in quotation marks, escaped and cut: it may be anything.
func quote(s string) string {
	const limit = 60
	if utf8.RuneCountInString(s) > limit {
		s = string([]rune(s)[:limit]) + "…"
	}
	quoted := strconv.QuoteToGraphic(s)
	if strings.ContainsFunc(quoted, func(r rune) bool { return !isVisible(r) }) {
		return strconv.QuoteToASCII(s)
	}
	return quoted
}

// maxName is the longest name of a provider, in bytes.
const maxName = 64

// checkName accepts the name of a provider, which is also its file's name on
// every operating system.
func checkName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("name is empty")
	case len(name) > maxName:
		return fmt.Errorf("name is longer than %d characters", maxName)
	case !isNamed(name):
		return fmt.Errorf("name %s must begin with a letter or digit and hold only a-z, 0-9, '.', '_' and '-'", quote(name))
	case strings.Contains(name, "..") || strings.HasSuffix(name, "."):
		return fmt.Errorf("name %s must not hold two dots in a row or end in one", quote(name))
	case isDevice(name):
		return fmt.Errorf("name %s is a device on Windows, where no file can have it", quote(name))
	}
	return nil
}

// isNamed reports whether name matches [a-z0-9][a-z0-9._-]*.
func isNamed(name string) bool {
	for i := range len(name) {
		c := name[i]
		lower := c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		if !lower && (i == 0 || strings.IndexByte("._-", c) < 0) {
			return false
		}
	}
	return true
}

// isDevice reports whether Windows takes name for a device.
func isDevice(name string) bool {
	stem, _, _ := strings.Cut(name, ".")
	switch stem {
	case "con", "prn", "aux", "nul":
		return true
	}
	return len(stem) == 4 && (strings.HasPrefix(stem, "com") || strings.HasPrefix(stem, "lpt")) && stem[3] >= '0' && stem[3] <= '9'
}

// nearest returns the candidate closest to s when a slip of the finger could
// explain the difference, else "".
func nearest(s string, candidates []string) string {
	best, least := "", 1+min(2, len(s)/2)
	if len(s) > maxName {
		return ""
	}
	for _, c := range candidates {
		if d := editDistance(s, c); d < least {
			best, least = c, d
		}
	}
	return best
}

// editDistance counts insertions, deletions, substitutions and swaps of
// neighbours (optimal string alignment) between a and b.
func editDistance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

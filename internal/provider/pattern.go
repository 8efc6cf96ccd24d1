package provider

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
)

// Bounds of a host pattern. With them the slowest match of a 253-byte host
// stays well below a millisecond, and a match is remembered per host.
const (
	maxProgram = 256 // instructions of the compiled pattern
	maxTails   = 64  // different literal endings
	maxClass   = 16  // characters of a class that are tried one by one

	maxKeyProgram = 4096 // instructions of a key_pattern, which is matched once a login
)

// parsePattern reads the RE2 pattern of a regex rule. It is compiled as it
// stands first, so that it can't break out of the anchors it then gets.
func parsePattern(pattern string, ownerOf ownership) (Rule, error) {
	if pattern == "" {
		return Rule{}, errors.New("regex: the pattern is empty")
	}
	if !isASCII(pattern) {
		return Rule{}, errors.New("regex: the pattern is not ASCII; host names are matched in their xn-- form")
	}
	tree, err := parseRE2(pattern)
	if err != nil {
		return Rule{}, fmt.Errorf("regex: %w", err)
	}
	if programSize(tree) > maxProgram {
		return Rule{}, fmt.Errorf("regex: the pattern compiles to more than %d steps; write several rules", maxProgram)
	}
	endings := tails(tree.Simplify())
	if err := checkTails(endings, ownerOf); err != nil {
		return Rule{}, fmt.Errorf("regex: %w", err)
	}
	compiled, err := regexp.Compile(`(?i)\A(?:` + pattern + `)\z`)
	if err != nil {
		return Rule{}, fmt.Errorf("regex: the pattern does not stand on its own: %w", err)
	}
	return Rule{Kind: Regex, Host: pattern, Port: 443, pattern: compiled, tails: endings, ownerOf: ownerOf}, nil
}

// parseRE2 parses a pattern and puts what is unsupported in plain words.
func parseRE2(pattern string) (*syntax.Regexp, error) {
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err == nil {
		return tree, nil
	}
	var bad *syntax.Error
	if !errors.As(err, &bad) {
		return nil, err
	}
	for _, look := range []string{"(?=", "(?!", "(?<=", "(?<!"} {
		if strings.HasPrefix(bad.Expr, look) {
			return nil, fmt.Errorf("%s is not supported: RE2 has no lookahead or lookbehind", look)
		}
	}
	return nil, fmt.Errorf("%s: %s", bad.Code, quote(bad.Expr))
}

// programSize estimates the compiled size of a tree before anything expands
// its repetitions.
func programSize(re *syntax.Regexp) int {
	size := 1 + len(re.Rune)
	if re.Op == syntax.OpCharClass {
		size = 1
	}
	for _, sub := range re.Sub {
		size += programSize(sub)
	}
	if re.Op == syntax.OpRepeat {
		size *= max(re.Max, re.Min, 1)
	}
	return min(size, 1<<20) // far above every bound, far below an overflow
}

// tail is literal text that a match ends in; whole says the match is nothing
// but that text.
type tail struct {
	text  string
	whole bool
}

// opaque is the ending of a part about which nothing is known.
var opaque = tail{}

// domain returns the part of the ending that starts on a label boundary of
// every host that ends so: all of it, or what follows its first dot.
func (t tail) domain() string {
	if t.whole {
		return t.text
	}
	_, domain, _ := strings.Cut(t.text, ".")
	return domain
}

// tails returns the literal endings of a simplified tree: every match ends in
// one of them. Assertions only narrow a match, so they count as empty.
func tails(re *syntax.Regexp) []tail {
	switch re.Op {
	case syntax.OpNoMatch:
		return nil
	case syntax.OpLiteral:
		return []tail{{strings.ToLower(string(re.Rune)), true}}
	case syntax.OpCharClass:
		return classTails(re.Rune)
	case syntax.OpCapture:
		return tails(re.Sub[0])
	case syntax.OpQuest:
		return merge(append(tails(re.Sub[0]), tail{"", true}))
	case syntax.OpConcat:
		return concatTails(re.Sub)
	case syntax.OpAlternate:
		var all []tail
		for _, sub := range re.Sub {
			all = append(all, tails(sub)...)
		}
		return merge(all)
	case syntax.OpEmptyMatch, syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText,
		syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return []tail{{"", true}}
	}
	return []tail{opaque}
}

// classTails lists a small class; the parser turns a|b into one. A host is
// ASCII, so other characters of the class never match.
func classTails(ranges []rune) []tail {
	var all []tail
	for i := 0; i < len(ranges); i += 2 {
		for r := ranges[i]; r <= ranges[i+1] && r < 0x80; r++ {
			all = append(all, tail{strings.ToLower(string(r)), true})
		}
	}
	if all = merge(all); len(all) > maxClass {
		return []tail{opaque}
	}
	return all
}

// concatTails works from the end: a part extends the endings that are still
// whole. When there are too many it stops knowing, which only refuses more.
func concatTails(parts []*syntax.Regexp) []tail {
	ends := []tail{{"", true}}
	for _, part := range slices.Backward(parts) {
		before := tails(part)
		var next []tail
		for _, end := range ends {
			next = append(next, end.extend(before)...)
		}
		if next = merge(next); len(next) > maxTails {
			next = nil
			for _, end := range ends {
				next = append(next, tail{end.text, false})
			}
		}
		ends = next
	}
	return merge(ends)
}

// extend puts each of before in front of t.
func (t tail) extend(before []tail) []tail {
	if !t.whole && len(before) > 0 {
		return []tail{t}
	}
	out := make([]tail, len(before))
	for i, b := range before {
		out[i] = tail{b.text + t.text, b.whole}
	}
	return out
}

// merge sorts and removes repeated endings.
func merge(all []tail) []tail {
	slices.SortFunc(all, func(a, b tail) int {
		if c := strings.Compare(a.text, b.text); c != 0 || a.whole == b.whole {
			return c
		}
		if a.whole {
			return 1
		}
		return -1
	})
	return slices.Compact(all)
}

// checkTails requires that whatever the pattern matches belongs to the owner
// of a literal registrable domain.
func checkTails(endings []tail, ownerOf ownership) error {
	if len(endings) == 0 {
		return errors.New("the pattern matches no host")
	}
	if len(endings) > maxTails {
		return fmt.Errorf("the pattern has more than %d endings; write several rules", maxTails)
	}
	for _, t := range endings {
		if t.domain() == "" {
			return fmt.Errorf(`the pattern must end in a literal registrable domain after an escaped dot, as \.example\.com; this one can end in %s behind anything`, quote(t.text))
		}
		if err := checkOwned(t.domain(), ownerOf); err != nil {
			return fmt.Errorf("the pattern must end in a literal registrable domain: %w", err)
		}
	}
	return nil
}

// owns reports whether the owner of one of the literal endings also owns name:
// a public suffix in between (s3.amazonaws.com) would make it a stranger's,
// unless the rule was parsed with registered.
func (r Rule) owns(name string) bool {
	owner := r.ownerOf(name)
	return slices.ContainsFunc(r.tails, func(t tail) bool {
		domain := t.domain()
		return (name == domain || strings.HasSuffix(name, "."+domain)) && owner == r.ownerOf(domain)
	})
}

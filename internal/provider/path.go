package provider

import (
	"errors"
	"net/url"
	"strings"
)

// reading is a request's path as rules see it: without query, percent-decoded,
// empty and dot segments resolved. Some servers decode a slash before they
// split a path and others after, so there are two of it.
type reading struct {
	decoded string // an encoded slash is a slash
	kept    string // an encoded slash is part of its segment
}

// readPath reads the path of a raw request target. plain is false when servers
// could disagree about what raw means in more ways than that (dot segments,
// encoded dots, backslashes, parameters, controls, broken or double encoding):
// a path rule must then neither match nor be passed over.
func readPath(raw string) (r reading, plain bool) {
	raw = cutQuery(raw)
	if isPlainPath(raw) {
		return reading{raw, raw}, true
	}
	decoded, err := url.PathUnescape(raw)
	if err != nil {
		return reading{raw, raw}, false
	}
	segments, dots := resolveSegments(decoded)
	r.decoded = "/" + strings.Join(segments, "/")
	r.kept = r.decoded
	bare := encodedSlash.Replace(raw)
	if bare != raw {
		kept, _ := resolveSegments(bare)
		r.kept = "/" + strings.Join(kept, "/")
	}
	return r, !dots && !hasHidden(bare) && !hasHidden(decoded) && !strings.ContainsFunc(decoded, isOdd)
}

// encodedSlash puts something in the place of an encoded slash that is no part
// of any rule's path.
var encodedSlash = strings.NewReplacer("%2f", "\x00", "%2F", "\x00")

// below reports whether the path lies at or below prefix. clear is false when
// that depends on how it is read.
func (r reading) below(prefix string) (below, clear bool) {
	below = hasPrefix(r.decoded, prefix)
	return below, r.kept == r.decoded || below == hasPrefix(r.kept, prefix)
}

// isPlainPath is the quick answer for the paths nearly all requests have.
func isPlainPath(raw string) bool {
	if raw == "" || raw[0] != '/' {
		return false
	}
	for i := range len(raw) {
		switch c := raw[i]; {
		case isAlphanumeric(c) || c == '-' || c == '_' || c == '~' || c == ':' || c == '@':
		case c == '/' && (i == 0 || raw[i-1] != '/'):
		case c == '.' && i > 0 && isAlphanumeric(raw[i-1]):
		default:
			return false
		}
	}
	return true
}

// cutQuery returns raw without query and fragment.
func cutQuery(raw string) string {
	if i := strings.IndexAny(raw, "?#"); i >= 0 {
		return raw[:i]
	}
	return raw
}

// resolveSegments splits a decoded path and removes empty and dot segments
// (RFC 3986 section 5.2.4). Parameters count for nothing in telling a dot
// segment: some servers read "..;x" as "..".
func resolveSegments(decoded string) (segments []string, dots bool) {
	for segment := range strings.SplitSeq(decoded, "/") {
		bare, _, _ := strings.Cut(segment, ";")
		switch {
		case bare == "." || bare == "..":
			dots = true
			if bare == ".." && len(segments) > 0 {
				segments = segments[:len(segments)-1]
			}
		case segment != "":
			segments = append(segments, segment)
		}
	}
	return segments, dots
}

// hasHidden reports a backslash or an encoded dot, slash or backslash.
func hasHidden(path string) bool {
	for i := range len(path) {
		if path[i] == '\\' {
			return true
		}
		if path[i] == '%' && i+2 < len(path) {
			switch strings.ToLower(path[i+1 : i+3]) {
			case "2e", "2f", "5c":
				return true
			}
		}
	}
	return false
}

// isOdd reports a control, or the mark of parameters: some servers cut a
// segment there.
func isOdd(r rune) bool { return r < ' ' || r == 0x7f || r == ';' }

// hasPrefix reports whether a normal path lies at or below prefix, which is ""
// for everything or a normal path that does not end in a slash. In it * stands
// for one segment and ** for one or more.
func hasPrefix(path, prefix string) bool {
	if strings.IndexByte(prefix, '*') >= 0 {
		return isBelow(strings.Split(path[1:], "/"), strings.Split(prefix[1:], "/"))
	}
	rest, ok := strings.CutPrefix(path, prefix)
	return ok && (prefix == "" || rest == "" || rest[0] == '/')
}

// isBelow is hasPrefix in segments. There is one ** at most, so it takes no
// more steps than path has segments, times those of prefix.
func isBelow(path, prefix []string) bool {
	for i, want := range prefix {
		if i >= len(path) {
			return false
		}
		if want == "**" {
			for n := i + 1; n < len(path); n++ {
				if isBelow(path[n:], prefix[i+1:]) {
					return true
				}
			}
			return false
		}
		if want != "*" && want != path[i] {
			return false
		}
	}
	return true
}

// checkWildcards accepts a rule's path whose wildcards are whole segments,
// with a name behind the last and at most one **.
func checkWildcards(path string) error {
	segments := strings.Split(path, "/")
	many := 0
	for i, segment := range segments {
		if strings.Contains(segment, "*") && segment != "*" && segment != "**" || segment == "**" && many > 0 {
			return errors.New("in a path * and ** are whole segments, and ** is there once")
		}
		if segment == "**" {
			many++
		}
		if i == len(segments)-1 && strings.Contains(segment, "*") {
			return errors.New("a path must not end in a wildcard")
		}
	}
	return nil
}

// foldPath makes equal all spellings of a path that some server could take
// for the same endpoint: case, percent-encoding however deep, backslashes,
// repeated and final slashes, dot segments, parameters and the query.
func foldPath(raw string) string {
	return "/" + strings.Join(foldSegments(raw, false), "/")
}

// foldSegments is foldPath in segments. With keep an encoded slash is part of
// its segment.
func foldSegments(raw string, keep bool) []string {
	path := cutQuery(raw)
	for range 8 {
		if keep {
			path = encodedSlash.Replace(path)
		}
		decoded, err := url.PathUnescape(path)
		if err != nil || decoded == path {
			break
		}
		path = decoded
	}
	path = strings.ReplaceAll(cutQuery(path), `\`, "/")
	segments, _ := resolveSegments(path)
	for i, segment := range segments {
		segment, _, _ = strings.Cut(segment, ";")
		segments[i] = strings.ToLower(segment)
	}
	return segments
}

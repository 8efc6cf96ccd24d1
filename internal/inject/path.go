package inject

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"authsome/internal/credential"
)

// compilePath is kind "path": a segment of the path that reads as Value with
// the placeholder in the secret's place, for services that take the key
// nowhere else. The client's own URL has the placeholder; nothing is added to
// a path without it. Something may stand before the placeholder, for clients
// that look at a key's shape, and a format (.json) behind all.
func compilePath(s Spec) (Injection, error) {
	if s.Name != "" || s.Username != "" || s.Password != "" {
		return Injection{}, fmt.Errorf("path: has a value, no name, username or password")
	}
	value, err := parseText(s.Value)
	if err != nil {
		return Injection{}, fmt.Errorf("path: value: %w", err)
	}
	before, after, _ := strings.Cut(value.sample(Placeholder), Placeholder)
	if strings.Contains(after, Placeholder) || !isSegment(before+after) {
		return Injection{}, fmt.Errorf("path: value %q is not one field in a segment of letters, digits, dashes, underscores or colons", s.Value)
	}
	place := func(segment string) bool {
		decoded, err := url.PathUnescape(segment)
		return err == nil && strings.HasPrefix(decoded, before) && strings.HasSuffix(decoded, after) && HasPlaceholder(decoded)
	}
	return Injection{
		fields: fields(value),
		sent:   func(r *http.Request) []string { return segmentsSent(r, place) },
		strip:  func(*http.Request) {}, // segments of other meaning stay
		apply: func(r *http.Request, c credential.Credential) ([]string, error) {
			return applyPath(r, c, value, place)
		},
	}, nil
}

// isSegment reports whether s is made of characters that a path segment has
// without encoding, and that no server takes for anything else. Neither are
// dots, so that no dot segment comes of it.
func isSegment(s string) bool { return isPlain(s, "-_:") }

// cutFormat splits the ending by which some APIs choose a format off.
func cutFormat(segment string) (rest, format string) {
	for _, format := range []string{".json", ".xml", ".csv"} {
		if rest, ok := strings.CutSuffix(segment, format); ok {
			return rest, format
		}
	}
	return segment, ""
}

func segmentsSent(r *http.Request, place func(string) bool) []string {
	var sent []string
	for segment := range strings.SplitSeq(r.URL.EscapedPath(), "/") {
		segment, _ = cutFormat(segment)
		if HasPlaceholder(segment) && place(segment) {
			decoded, _ := url.PathUnescape(segment)
			sent = append(sent, decoded)
		}
	}
	return sent
}

func applyPath(r *http.Request, c credential.Credential, value text, place func(string) bool) ([]string, error) {
	if len(segmentsSent(r, place)) == 0 {
		return nil, nil
	}
	whole, secrets, err := value.render(c)
	if err != nil {
		return nil, err
	}
	if !isSegment(whole) {
		return nil, fmt.Errorf("%w: it holds a character that is not used in a path", credential.ErrInvalid)
	}
	segments := strings.Split(r.URL.EscapedPath(), "/")
	for i, segment := range segments {
		if rest, format := cutFormat(segment); place(rest) {
			segments[i] = whole + format
		}
	}
	raw := strings.Join(segments, "/")
	path, err := url.PathUnescape(raw)
	if err != nil {
		return nil, fmt.Errorf("path: the encoding of the path is broken")
	}
	r.URL.Path, r.URL.RawPath = path, raw
	return secrets, nil
}

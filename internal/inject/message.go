package inject

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"authsome/internal/credential"
)

// compileMessage is kind "message": a member of a JSON message that the client
// sends on a websocket, for services that authenticate the connection with its
// first message. Only the whole value of the member Name is replaced, where it
// is Value with the placeholder: text that a user wrote is not.
func compileMessage(s Spec) (Injection, error) {
	if s.Username != "" || s.Password != "" {
		return Injection{}, fmt.Errorf("message: has name and value, no username or password")
	}
	if !isMemberName(s.Name) {
		return Injection{}, fmt.Errorf("message: name %q is not the plain name of a JSON member", s.Name)
	}
	value, err := parseText(s.Value)
	if err != nil {
		return Injection{}, fmt.Errorf("message: value: %w", err)
	}
	sample := value.sample(Placeholder)
	if !plainJSON(sample) {
		return Injection{}, fmt.Errorf("message: value holds a quote or a backslash")
	}
	member, err := regexp.Compile(`("` + regexp.QuoteMeta(s.Name) + `"[ \t\r\n]*:[ \t\r\n]*")` + strings.ReplaceAll(regexp.QuoteMeta(sample), regexp.QuoteMeta(Placeholder), shapePattern()) + `"`)
	if err != nil {
		return Injection{}, fmt.Errorf("message: %w", err)
	}
	return Injection{
		fields: fields(value),
		socket: true,
		sent:   func(*http.Request) []string { return nil }, // it comes later
		strip:  func(*http.Request) {},
		apply:  func(*http.Request, credential.Credential) ([]string, error) { return nil, nil },
		message: func(c credential.Credential) (func([]byte) []byte, []string, error) {
			return replaceMember(member, value, c)
		},
	}, nil
}

// shapePattern matches what IsShape accepts.
func shapePattern() string {
	return `[A-Za-z0-9_.-]{0,` + strconv.Itoa(maxShapePrefix) + `}?(?:` + strings.Join(spellings[:], "|") + `)`
}

// isMemberName reports whether s is 1 to 64 letters, digits, dots, dashes or
// underscores.
func isMemberName(s string) bool { return 0 < len(s) && len(s) <= 64 && isPlain(s, "_.-") }

// isPlain reports whether s is made of ASCII letters, digits and the others.
func isPlain(s, others string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !('a' <= r|0x20 && r|0x20 <= 'z' || '0' <= r && r <= '9' || strings.ContainsRune(others, r))
	})
}

// plainJSON reports whether s stands in a JSON string as it is.
func plainJSON(s string) bool { return !strings.ContainsAny(s, `"\`) }

func replaceMember(member *regexp.Regexp, value text, c credential.Credential) (func([]byte) []byte, []string, error) {
	whole, secrets, err := value.render(c)
	if err != nil {
		return nil, nil, err
	}
	if !plainJSON(whole) {
		return nil, nil, fmt.Errorf("%w: a websocket message would have to escape it", credential.ErrInvalid)
	}
	replacement := append([]byte("${1}"), strings.ReplaceAll(whole, "$", "$$")+`"`...)
	return func(text []byte) []byte { return member.ReplaceAll(text, replacement) }, secrets, nil
}

package inject

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"authsome/internal/credential"
)

// protocolField is Sec-WebSocket-Protocol (RFC 6455 section 11.3.4).
const protocolField = "Sec-Websocket-Protocol"

// compileSubprotocol is kind "subprotocol": a member of a websocket
// handshake's Sec-WebSocket-Protocol, for pages and runtimes that can set no
// header there. The client has to send the member, with the placeholder in
// the credential's place. The credential then stands there only: servers
// refuse a handshake that shows it twice.
func compileSubprotocol(s Spec) (Injection, error) {
	if s.Name != "" || s.Username != "" || s.Password != "" {
		return Injection{}, fmt.Errorf("subprotocol: has a value, no name, username or password")
	}
	value, err := parseText(s.Value)
	if err != nil {
		return Injection{}, fmt.Errorf("subprotocol: value: %w", err)
	}
	member := value.sample(Placeholder)
	if !httpguts.ValidHeaderFieldName(member) {
		return Injection{}, fmt.Errorf("subprotocol: value %q does not make a token (RFC 9110 section 5.6.2)", s.Value)
	}
	return Injection{
		fields: fields(value),
		socket: true,
		sent: func(r *http.Request) []string {
			return slices.DeleteFunc(protocols(r), func(sent string) bool { return !isMember(sent, member) })
		},
		strip: func(*http.Request) {}, // members of other meaning stay
		apply: func(r *http.Request, c credential.Credential) ([]string, error) {
			return applySubprotocol(r, c, value, member)
		},
	}, nil
}

// isMember reports whether the client sent member: with the placeholder as it
// is or in a shape, and where that is the end with the name of a connection.
func isMember(sent, member string) bool {
	before, after, _ := strings.Cut(member, Placeholder)
	shape, ok := strings.CutPrefix(sent, before)
	if !ok {
		return false
	}
	if after == "" {
		shape, _, _ = strings.Cut(shape, ":")
	}
	shape, ok = strings.CutSuffix(shape, after)
	return ok && IsShape(shape)
}

// protocols returns the members the client offers in a handshake.
func protocols(r *http.Request) []string {
	var members []string
	if !IsHandshake(r) {
		return nil
	}
	for _, value := range r.Header[protocolField] {
		for member := range strings.SplitSeq(value, ",") {
			members = append(members, strings.Trim(member, " \t"))
		}
	}
	return members
}

func applySubprotocol(r *http.Request, c credential.Credential, value text, member string) ([]string, error) {
	sent := protocols(r)
	if !slices.ContainsFunc(sent, func(s string) bool { return isMember(s, member) }) {
		return nil, nil
	}
	whole, secrets, err := value.render(c)
	if err != nil {
		return nil, err
	}
	if !httpguts.ValidHeaderFieldName(whole) {
		return nil, fmt.Errorf("%w: it holds a character that no websocket subprotocol can", credential.ErrInvalid)
	}
	for i := range sent {
		if isMember(sent[i], member) {
			sent[i] = whole
		}
	}
	removeHeader(r, protocolField)
	r.Header[protocolField] = []string{strings.Join(sent, ", ")}
	return secrets, nil
}

// IsHandshake reports whether r opens a websocket: the hop-by-hop fields that
// say so are gone when it comes here.
func IsHandshake(r *http.Request) bool { return len(r.Header["Sec-Websocket-Key"]) > 0 }

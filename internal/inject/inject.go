// Package inject puts a credential on a request.
//
// A provider definition says where its credential goes with one or more Specs;
// Compile turns a Spec into an Injection, a pure function of a request and a
// credential. One file holds one kind, and kinds lists them. The package knows
// no provider, no network and no clock.
//
// An attacker is the client that built the request: it repeats the header
// under other spellings, in trailers or twice, hoping that one of its own
// copies reaches the server. So an Injection first removes every copy, then
// sets its own, and refuses a value that could split a line.
package inject

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"authsome/internal/credential"
)

// Spec is one injection as a definition writes it. Value, Username and
// Password are templates: text in which {field} stands for a secret field of
// package credential, for example "Bearer {access_token}", and {base64:field}
// for its base64.
type Spec struct {
	Kind     string `json:"kind"`
	Name     string `json:"name,omitempty"`     // of the header, cookie, parameter or JSON member
	Value    string `json:"value,omitempty"`    // what is set; all kinds but basic and hmac
	Username string `json:"username,omitempty"` // basic
	Password string `json:"password,omitempty"` // basic

	Sign *Signing `json:"sign,omitempty"` // hmac
	At   []string `json:"at,omitempty"`   // host rules of the definition that it is for; whoever chooses injections reads it
}

// Injection is a compiled Spec. The zero Injection is not usable.
type Injection struct {
	spec     Spec
	fields   []string
	optional []string // fields that a credential may have
	socket   bool     // for websockets only
	signs    bool     // apply reads what strip removes, and strips itself
	sent     func(*http.Request) []string
	strip    func(*http.Request) // removes every copy of what apply sets
	apply    func(*http.Request, credential.Credential) ([]string, error)

	// needsBody reports whether ReadBody has to come first. Nil for kinds
	// that look at the head alone.
	needsBody func(*http.Request) bool

	// sign is what is done when all else is in its place. Nil for kinds that
	// sign nothing.
	sign func(*http.Request, credential.Credential, time.Time) ([]string, error)

	// message returns what is done to text messages, and the secrets in it.
	// Nil for kinds that concern the request alone.
	message func(credential.Credential) (func(text []byte) []byte, []string, error)
}

// kinds is every kind there is: its name in a definition, and its file.
var kinds = map[string]func(Spec) (Injection, error){
	"header":      compileHeader,      // header.go
	"basic":       compileBasic,       // basic.go
	"cookie":      compileCookie,      // cookie.go
	"query":       compileQuery,       // query.go
	"subprotocol": compileSubprotocol, // subprotocol.go
	"message":     compileMessage,     // message.go
	"path":        compilePath,        // path.go
	"body":        compileBody,        // body.go
	"hmac":        compileHMAC,        // hmac.go
	"sigv4":       compileSigV4,       // sigv4.go
}

// Kinds returns the names of all kinds, sorted.
func Kinds() []string {
	names := make([]string, 0, len(kinds))
	for name := range kinds {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// FieldNames returns the names of the secret fields that a client may have,
// in the order they are shown: all but an OAuth client's own.
func FieldNames() []string {
	return slices.DeleteFunc(credential.FieldNames(), func(name string) bool { return name == credential.ClientSecret })
}

// Compile checks s and makes it usable. The error says what is wrong in the
// words of the definition.
func Compile(s Spec) (Injection, error) {
	compile, ok := kinds[s.Kind]
	if !ok {
		return Injection{}, fmt.Errorf("kind %q is not one of %s", s.Kind, strings.Join(Kinds(), ", "))
	}
	injection, err := compile(s)
	if err != nil {
		return Injection{}, err
	}
	injection.spec = s
	if len(injection.fields) == 0 {
		return Injection{}, fmt.Errorf("%s: no secret field is used; write one as {api_key}", s.Kind)
	}
	return injection, nil
}

// Spec returns what the injection was compiled from.
func (i Injection) Spec() Spec { return i.spec }

// Fields returns the secret fields the injection needs, sorted.
func (i Injection) Fields() []string { return slices.Clone(i.fields) }

// Optional returns the secret fields that it uses when the credential has them.
func (i Injection) Optional() []string { return slices.Clone(i.optional) }

// Signs reports whether it puts a signature on the request, and no secret but
// a session token that is worth nothing without the key.
func (i Injection) Signs() bool { return i.signs }

// WebSocketOnly reports whether the injection concerns nothing but websockets.
func (i Injection) WebSocketOnly() bool { return i.socket }

// Sent returns what the client itself put where the credential belongs, each
// copy of it: whole header values, cookies' and decoded parameters' values,
// both halves of a Basic pair; of a path or body only what has the placeholder.
func (i Injection) Sent(r *http.Request) []string { return i.sent(r) }

// Apply removes every copy of what it is about to set and sets it. The
// strings it returns are the secrets that are now on the request and their
// renderings: whatever comes back must not repeat them. On an error, which
// names the field and never its value, the request must not be sent.
func (i Injection) Apply(r *http.Request, c credential.Credential) ([]string, error) {
	if !i.signs {
		i.strip(r)
	}
	return i.apply(r, c)
}

// text is a parsed template: literals and fields in turn.
type text []part

type part struct {
	literal string
	field   string
	encoded bool // in base64
}

// parseText reads a template.
func parseText(s string) (text, error) {
	var t text
	for s != "" {
		open := strings.IndexAny(s, "{}")
		if open < 0 {
			open = len(s)
		}
		if open > 0 {
			if err := checkLiteral(s[:open]); err != nil {
				return nil, err
			}
			t = append(t, part{literal: s[:open]})
			s = s[open:]
			continue
		}
		name, rest, found := strings.Cut(s[1:], "}")
		if s[0] == '}' || !found {
			return nil, fmt.Errorf("unbalanced brace in template %q", s)
		}
		name, encoded := strings.CutPrefix(name, "base64:")
		if !credential.IsField(name) {
			return nil, fmt.Errorf("template field {%s} is not one of %s", name, strings.Join(credential.FieldNames(), ", "))
		}
		if credential.Signs(name) {
			return nil, fmt.Errorf("template field {%s} signs requests and is never sent", name)
		}
		if !credential.Injectable(name) {
			return nil, fmt.Errorf("template field {%s} goes to a token endpoint only, never to an API", name)
		}
		t = append(t, part{field: name, encoded: encoded})
		s = rest
	}
	return t, nil
}

// sample is t with placeholder in the place of every field.
func (t text) sample(placeholder string) string {
	var b strings.Builder
	for _, part := range t {
		if part.field != "" {
			b.WriteString(placeholder)
		}
		b.WriteString(part.literal)
	}
	return b.String()
}

// checkLiteral refuses what could split a header or hide in a log.
func checkLiteral(s string) error {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return fmt.Errorf("template holds a control or non-ASCII character at byte %d", i+1)
		}
	}
	return nil
}

// fields returns the names of all fields in ts, sorted, each once.
func fields(ts ...text) []string {
	var names []string
	for _, t := range ts {
		for _, part := range t {
			if part.field != "" {
				names = append(names, part.field)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// render fills t in. It returns the whole and the secrets used in it.
func (t text) render(c credential.Credential) (whole string, secrets []string, err error) {
	var b strings.Builder
	secrets = make([]string, 0, len(t)+1) // callers add the whole
	for _, part := range t {
		if part.field == "" {
			b.WriteString(part.literal)
			continue
		}
		value := c.Field(part.field).Reveal()
		if err := credential.Check(part.field, value); err != nil {
			return "", nil, err
		}
		secrets = append(secrets, value)
		if part.encoded {
			value = base64.StdEncoding.EncodeToString([]byte(value))
		}
		b.WriteString(value)
	}
	return b.String(), secrets, nil
}

package inject

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"authsome/internal/credential"
)

// MaxBody is the longest body, in bytes, that an injection looks into.
const MaxBody = 1 << 20

// ErrBody says that a body can't be looked into: it is longer than MaxBody, or
// ended too early.
var ErrBody = errors.New("the request's body can't be read for the credential's place")

// buffered is a body that was read whole.
type buffered struct {
	*bytes.Reader
	io.Closer
	data []byte
}

// ReadBody reads r's body into memory when one of the injections has to know
// it. A body that none has to know stays a stream. Errors wrap ErrBody.
func ReadBody(injections []Injection, r *http.Request) error {
	needed := false
	for _, i := range injections {
		needed = needed || i.needsBody != nil && i.needsBody(r)
	}
	if _, read := bodyOf(r); !needed || read || r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	data, err := io.ReadAll(io.LimitReader(r.Body, MaxBody+1))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrBody, err)
	}
	if len(data) > MaxBody {
		return fmt.Errorf("%w: it is longer than %d bytes", ErrBody, MaxBody)
	}
	removeHeader(r, "Expect") // the client has sent what it would have waited with
	setBody(r, data)
	return nil
}

// bodyOf returns the body that ReadBody has read.
func bodyOf(r *http.Request) ([]byte, bool) {
	b, ok := r.Body.(*buffered)
	if !ok {
		return nil, false
	}
	return b.data, true
}

// setBody replaces the body. One without a stated length stays so.
func setBody(r *http.Request, data []byte) {
	r.Body = &buffered{bytes.NewReader(data), r.Body, data}
	if r.ContentLength >= 0 {
		r.ContentLength = int64(len(data))
	}
}

// compileBody is kind "body": the member Name of a JSON object, or the
// parameter Name of a form, where its value has the placeholder. It becomes
// Value. Nothing is added to a body that does not have it there; one that is
// compressed or of another type goes as it is.
func compileBody(s Spec) (Injection, error) {
	if s.Username != "" || s.Password != "" {
		return Injection{}, fmt.Errorf("body: has name and value, no username or password")
	}
	if !isMemberName(s.Name) {
		return Injection{}, fmt.Errorf("body: name %q is not the plain name of a JSON member or form parameter", s.Name)
	}
	value, err := parseText(s.Value)
	if err != nil {
		return Injection{}, fmt.Errorf("body: value: %w", err)
	}
	return Injection{
		fields:    fields(value),
		needsBody: func(r *http.Request) bool { return bodySyntax(r) != nil },
		sent:      func(r *http.Request) []string { return bodySent(r, s.Name) },
		strip:     func(*http.Request) {}, // members of other meaning stay
		apply: func(r *http.Request, c credential.Credential) ([]string, error) {
			return applyBody(r, c, s.Name, value)
		},
	}, nil
}

// span is where a value stands in a body, and what it says.
type span struct {
	start, end int
	value      string
}

// syntax is a way to write names and values.
type syntax struct {
	find  func(data []byte, name string) []span
	write func(value string) string
}

// bodySyntax returns how r's body is to be read, nil when it is neither plain
// JSON nor a form.
func bodySyntax(r *http.Request) *syntax {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case err != nil, len(r.Header["Content-Encoding"]) > 0:
		return nil
	case media == "application/x-www-form-urlencoded":
		return &syntax{findParameters, url.QueryEscape}
	case media == "application/json", strings.HasSuffix(media, "+json"):
		return &syntax{findMembers, quoteJSON}
	}
	return nil
}

// placesInBody returns the values with the placeholder.
func placesInBody(r *http.Request, name string) (found []span, how *syntax, data []byte) {
	data, read := bodyOf(r)
	if how = bodySyntax(r); !read || how == nil || !HasPlaceholder(string(data)) {
		return nil, nil, nil
	}
	for _, s := range how.find(data, name) {
		if HasPlaceholder(s.value) {
			found = append(found, s)
		}
	}
	return found, how, data
}

func bodySent(r *http.Request, name string) []string {
	found, _, _ := placesInBody(r, name)
	var sent []string
	for _, s := range found {
		sent = append(sent, s.value)
	}
	return sent
}

func applyBody(r *http.Request, c credential.Credential, name string, value text) ([]string, error) {
	found, how, data := placesInBody(r, name)
	if len(found) == 0 {
		return nil, nil
	}
	whole, secrets, err := value.render(c)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	at := 0
	for _, s := range found {
		b.Write(data[at:s.start])
		b.WriteString(how.write(whole))
		at = s.end
	}
	b.Write(data[at:])
	setBody(r, b.Bytes())
	for _, digest := range []string{"Content-Md5", "Digest", "Content-Digest", "Repr-Digest"} {
		removeHeader(r, digest) // of another body
	}
	return append(secrets, whole), nil
}

// findParameters returns the values of the parameter name of a form.
func findParameters(data []byte, name string) []span {
	var found []span
	at := 0
	for pair := range strings.SplitSeq(string(data), "&") {
		key, value, ok := strings.Cut(pair, "=")
		start := at + len(key) + 1
		at += len(pair) + 1
		if decoded, err := url.QueryUnescape(key); !ok || err != nil || decoded != name {
			continue
		}
		if decoded, err := url.QueryUnescape(value); err == nil {
			found = append(found, span{start, start + len(value), decoded})
		}
	}
	return found
}

// findMembers returns the texts that the member name of a JSON object has.
// Data that is no object has none.
func findMembers(data []byte, name string) []span {
	d := json.NewDecoder(bytes.NewReader(data))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return nil
	}
	var found []span
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil
		}
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return nil
		}
		var value string
		if key != name || raw[0] != '"' || json.Unmarshal(raw, &value) != nil {
			continue
		}
		end := int(d.InputOffset())
		found = append(found, span{end - len(raw), end, value})
	}
	return found
}

// quoteJSON writes printable ASCII as a JSON string.
func quoteJSON(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

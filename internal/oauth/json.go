package oauth

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"
	"unicode/utf8"
)

// object is a JSON object whose members are read one by one, by exact name.
// encoding/json would match names in any case and let the last duplicate win.
type object map[string]json.RawMessage

// decode reads an answer's body as its media type says: JSON, or the form
// encoding some servers answer with.
func decode(a answer) (object, error) {
	switch {
	case a.mediaType == "application/json", strings.HasSuffix(a.mediaType, "+json"), a.mediaType == "text/json", a.mediaType == "text/javascript":
		return parseObject(a.body)
	case a.mediaType == "application/x-www-form-urlencoded":
		return parseForm(a.body)
	case a.mediaType == "text/plain", a.mediaType == "":
		if bytes.HasPrefix(bytes.TrimLeft(a.body, " \t\r\n"), []byte("{")) {
			return parseObject(a.body)
		}
		return parseForm(a.body)
	}
	return nil, fmt.Errorf("%w: not JSON", ErrAnswer)
}

// parseObject accepts exactly one JSON object without duplicate members.
func parseObject(body []byte) (object, error) {
	notJSON := fmt.Errorf("%w: not a JSON object", ErrAnswer)
	if !utf8.Valid(body) {
		return nil, notJSON
	}
	d := json.NewDecoder(bytes.NewReader(body))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, notJSON
	}
	o := object{}
	for d.More() {
		name, err := d.Token()
		key, ok := name.(string)
		var value json.RawMessage
		if err != nil || !ok || d.Decode(&value) != nil {
			return nil, notJSON
		}
		if _, duplicate := o[key]; duplicate {
			return nil, fmt.Errorf("%w: a member stands twice", ErrAnswer)
		}
		o[key] = value
	}
	if _, err := d.Token(); err != nil {
		return nil, notJSON
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, notJSON
	}
	return o, nil
}

// parseForm accepts a form without duplicate names.
func parseForm(body []byte) (object, error) {
	values, err := url.ParseQuery(string(body))
	if err != nil || len(values) == 0 {
		return nil, fmt.Errorf("%w: neither JSON nor a form", ErrAnswer)
	}
	o := object{}
	for name, all := range values {
		if len(all) != 1 {
			return nil, fmt.Errorf("%w: a member stands twice", ErrAnswer)
		}
		o[name], _ = json.Marshal(all[0])
	}
	return o, nil
}

// has reports whether the member is there and not null.
func (o object) has(name string) bool {
	raw, ok := o[name]
	return ok && string(raw) != "null"
}

// refuses reports whether the object is an error: some servers answer with an
// empty or false one when there is none.
func (o object) refuses() bool {
	switch string(o["error"]) {
	case "", "null", "false", `""`:
		return false
	}
	return true
}

// text returns a string member, "" when it is missing.
func (o object) text(name string) (string, error) {
	if !o.has(name) {
		return "", nil
	}
	var s string
	if err := json.Unmarshal(o[name], &s); err != nil {
		return "", fmt.Errorf("%w: %s is not a string", ErrAnswer, name)
	}
	return s, nil
}

// lenient returns a string member, "" when it is anything else.
func (o object) lenient(name string) string {
	s, _ := o.text(name)
	return s
}

// texts returns a member that is a list of strings, nil when it is missing.
func (o object) texts(name string) ([]string, error) {
	if !o.has(name) {
		return nil, nil
	}
	var list []string
	if err := json.Unmarshal(o[name], &list); err != nil {
		return nil, fmt.Errorf("%w: %s is not a list of strings", ErrAnswer, name)
	}
	return list, nil
}

// flag returns a boolean member, false when it is missing.
func (o object) flag(name string) (bool, error) {
	if !o.has(name) {
		return false, nil
	}
	var b bool
	if err := json.Unmarshal(o[name], &b); err != nil {
		return false, fmt.Errorf("%w: %s is neither true nor false", ErrAnswer, name)
	}
	return b, nil
}

// within returns the object that holds the last name of a dotted path, and
// that name. ok is false when there is no such object.
func (o object) within(path string) (holder object, name string, ok bool) {
	for {
		head, rest, nested := strings.Cut(path, ".")
		if !nested {
			return o, head, true
		}
		inner, err := parseObject(o[head])
		if err != nil {
			return nil, "", false
		}
		o, path = inner, rest
	}
}

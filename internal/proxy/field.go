package proxy

import (
	"errors"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
)

// field is one field line as it came.
type field struct {
	name  string // in the sender's spelling
	key   string // the same in Go's canonical spelling
	value string
	nth   int // how many lines before it have the same key
}

// fields are the lines of a head in their order. A head is passed on in that
// order and spelling, because there are servers and clients that care.
type fields []field

// parseFields reads field lines, each with its CRLF, without control
// characters.
func parseFields(text string) (http.Header, fields, error) {
	n := strings.Count(text, "\n")
	header := make(http.Header, n)
	lines := make(fields, 0, n)
	values := make([]string, n) // one array for all fields that occur once
	for text != "" {
		var line string
		line, text, _ = strings.Cut(text, "\r\n")
		if line[0] == ' ' || line[0] == '\t' {
			return nil, nil, bad("folded header line")
		}
		name, value, found := strings.Cut(line, ":")
		if !found || !isToken(name) {
			return nil, nil, bad("header line without a proper name and colon")
		}
		key := textproto.CanonicalMIMEHeaderKey(name)
		value = strings.Trim(value, " \t")
		old := header[key]
		lines = append(lines, field{name: name, key: key, value: value, nth: len(old)})
		if old != nil {
			header[key] = append(old, value)
			continue
		}
		values[0] = value
		header[key], values = values[:1:1], values[1:]
	}
	return header, lines, nil
}

// count is how many lines have that key.
func (f fields) count(key string) int {
	n := 0
	for i := range f {
		if f[i].key == key {
			n++
		}
	}
	return n
}

// errAuthorized is about what Authorize made of a request.
var errAuthorized = errors.New("authorized request holds a character that is not allowed")

// appendFields appends the fields of header to b: in the order and spelling of
// lines, then those that are not among them. A value that was changed stands
// in its old place. Nothing is appended that could be read as another line.
func appendFields(b []byte, header http.Header, lines fields) ([]byte, error) {
	var err error
	for i := range lines {
		line := &lines[i]
		values := header[line.key]
		if line.nth >= len(values) {
			continue
		}
		if values[line.nth] != line.value && badText(values[line.nth]) {
			err = errAuthorized
			continue
		}
		b = appendField(b, line.name, values[line.nth])
	}
	var room [24]string
	for _, key := range added(room[:0], header, lines) {
		for _, value := range header[key][lines.count(key):] {
			if !isToken(key) || badText(value) {
				err = errAuthorized
				continue
			}
			b = appendField(b, key, value)
		}
	}
	return b, err
}

// added appends the keys of header that have more values than lines, sorted.
func added(keys []string, header http.Header, lines fields) []string {
	for key, values := range header {
		if len(values) > lines.count(key) && !strings.HasPrefix(key, http.TrailerPrefix) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// appendTrailer appends the trailer section without its empty line.
func appendTrailer(b []byte, trailer http.Header) []byte {
	keys := make([]string, 0, len(trailer))
	for key := range trailer {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		for _, value := range trailer[key] {
			if isToken(key) && !badText(value) {
				b = appendField(b, key, value)
			}
		}
	}
	return b
}

func appendField(b []byte, name, value string) []byte {
	b = append(append(b, name...), ": "...)
	return append(append(b, value...), "\r\n"...)
}

// badText reports whether a field value holds a control character but TAB.
func badText(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return true
		}
	}
	return false
}

package lab

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"
)

// maxBody is how many bytes of a body a Record keeps.
const maxBody = 1 << 20

// A Field is one header or trailer field as received: the name's case is kept,
// the value has no white space around it.
type Field struct{ Name, Value string }

// A Record is one request as the upstream saw it.
type Record struct {
	Time     time.Time
	Conn     int    // upstream connection, counted from 1
	TLS      bool   // came over TLS
	Via      string // the CONNECT target it came through, "" if none
	SNI      string // the server name of the TLS handshake
	Proto    string // as sent: "HTTP/1.1", "HTTP/2.0"
	Method   string
	Target   string  // request target or :path, as sent
	Host     string  // first Host field, or :authority
	Fields   []Field // HTTP/1: all, in order; HTTP/2: sorted by name, without pseudo-fields
	Raw      []byte  // HTTP/1: the bytes of the head
	Body     []byte  // its first MiB, without chunk framing
	BodyLen  int64   // bytes of the body so far
	Trailers []Field
	Complete bool // the whole request arrived
}

// Get returns the value of the first field with that name, whatever its case.
func (r Record) Get(name string) string {
	if values := r.Values(name); len(values) > 0 {
		return values[0]
	}
	return ""
}

// Values returns the values of all fields with that name, whatever its case.
func (r Record) Values(name string) []string {
	var values []string
	for _, f := range r.Fields {
		if strings.EqualFold(f.Name, name) {
			values = append(values, f.Value)
		}
	}
	return values
}

// String is one line without field values, query or body.
func (r Record) String() string {
	target, _, _ := strings.Cut(r.Target, "?")
	return fmt.Sprintf("%s %s%s %s via %q sni %q body %d", r.Method, r.Host, target, r.Proto, r.Via, r.SNI, r.BodyLen)
}

func (r *Record) clone() Record {
	c := *r
	c.Fields, c.Trailers = slices.Clone(r.Fields), slices.Clone(r.Trailers)
	c.Raw, c.Body = bytes.Clone(r.Raw), bytes.Clone(r.Body)
	return c
}

func (r *Record) addBody(b []byte) {
	r.BodyLen += int64(len(b))
	r.Body = append(r.Body, b[:min(len(b), maxBody-len(r.Body))]...)
}

// parseHead takes an HTTP/1 head apart without judging it.
func (r *Record) parseHead(head []byte) {
	r.Raw = bytes.Clone(head)
	lines := strings.Split(string(head), "\n")
	start := strings.TrimSuffix(lines[0], "\r")
	r.Method, start, _ = strings.Cut(start, " ")
	if i := strings.LastIndexByte(start, ' '); i >= 0 {
		r.Target, r.Proto = start[:i], start[i+1:]
	}
	for _, line := range lines[1:] {
		if f, ok := parseField(line); ok {
			r.Fields = append(r.Fields, f)
		}
	}
	r.Host = r.Get("Host")
}

func parseField(line string) (Field, bool) {
	line = strings.TrimSuffix(line, "\r")
	if line == "" {
		return Field{}, false
	}
	name, value, _ := strings.Cut(line, ":")
	return Field{name, strings.Trim(value, " \t")}, true
}

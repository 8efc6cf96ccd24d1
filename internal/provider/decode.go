package provider

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tailscale/hujson"
)

// Bounds of a file.
const (
	maxFile     = 256 << 10 // bytes
	maxDepth    = 16        // nested objects and arrays
	maxProblems = 50        // reported of one file
)

// decoder reads a document and notes what is wrong with it and where. It
// checks types and fields; what the values mean is for build.
type decoder struct {
	data     []byte
	root     hujson.Value
	document *document
	problems []Problem
	warnings []Problem
}

// field is one member of an object and how it is read.
type field struct {
	name     string
	required bool
	read     func(v *hujson.Value, at string)
}

// decode reads data. The error is an *Invalid for data that is no JSON; other
// mistakes are in the decoder's problems.
func decode(data []byte) (*decoder, error) {
	d, err := newDecoder(data)
	if err != nil {
		return nil, err
	}
	d.document = newDocument()
	d.readDocument()
	return d, nil
}

// newDecoder parses data, and reads nothing of it yet.
func newDecoder(data []byte) (*decoder, error) {
	d := &decoder{data: data}
	if offset, err := checkEncoding(data); err != nil {
		d.add(&d.problems, offset, "", err.Error())
		return nil, d.invalid()
	}
	root, err := hujson.Parse(data)
	if err != nil {
		d.problems = append(d.problems, syntaxProblem(err))
		return nil, d.invalid()
	}
	d.root = root
	return d, nil
}

// checkEncoding refuses what would cost too much to parse or is not UTF-8
// without a byte order mark (RFC 8259 section 8.1).
func checkEncoding(data []byte) (offset int, err error) {
	switch {
	case len(data) > maxFile:
		return 0, fmt.Errorf("file is larger than %d KiB", maxFile>>10)
	case len(bytes.TrimSpace(data)) == 0:
		return 0, errors.New("file is empty")
	case bytes.HasPrefix(data, []byte("\xef\xbb\xbf")):
		return 0, errors.New("file begins with a byte order mark; save it as UTF-8 without one")
	case bytes.HasPrefix(data, []byte("\xff\xfe")), bytes.HasPrefix(data, []byte("\xfe\xff")), bytes.IndexByte(data, 0) >= 0:
		return 0, errors.New("file is not UTF-8 text; it may be UTF-16")
	}
	for i := 0; i < len(data); {
		r, n := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && n == 1 {
			return i, errors.New("file is not valid UTF-8")
		}
		i += n
	}
	return checkDepth(data)
}

// checkDepth refuses deep nesting before a parser recurses into it.
func checkDepth(data []byte) (offset int, err error) {
	depth := 0
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case c == '"':
			i = skipString(data, i)
		case c == '/' && bytes.HasPrefix(data[i:], []byte("//")):
			i = skipTo(data, i, "\n")
		case c == '/' && bytes.HasPrefix(data[i:], []byte("/*")):
			i = skipTo(data, i+2, "*/")
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return i, fmt.Errorf("nested deeper than %d levels", maxDepth)
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return 0, nil
}

// skipString returns the offset of the quotation mark that ends a string.
func skipString(data []byte, i int) int {
	for i++; i < len(data) && data[i] != '"'; i++ {
		if data[i] == '\\' {
			i++
		}
	}
	return i
}

// skipTo returns the offset of the last byte of the next end.
func skipTo(data []byte, i int, end string) int {
	n := bytes.Index(data[min(i, len(data)):], []byte(end))
	if n < 0 {
		return len(data)
	}
	return i + n + len(end) - 1
}

// syntaxProblem turns the parser's error into a problem. It drops the text of
// a bad literal: the file may be something else altogether.
func syntaxProblem(err error) Problem {
	p := Problem{Line: 1, Column: 1}
	rest := strings.TrimPrefix(err.Error(), "hujson: ")
	if place, message, ok := strings.Cut(rest, ": "); ok {
		if n, _ := fmt.Sscanf(place, "line %d, column %d", &p.Line, &p.Column); n == 2 {
			rest = message
		}
	}
	if strings.HasPrefix(rest, "invalid literal: ") {
		rest = "not a JSON value (a string, a number, true, false or null)"
	}
	p.Message = "JSON: " + rest
	return p
}

// invalid returns the problems as an error, in the order of the file.
func (d *decoder) invalid() *Invalid {
	slices.SortStableFunc(d.problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return &Invalid{Problems: d.problems}
}

// add notes a problem at an offset of the file.
func (d *decoder) add(list *[]Problem, offset int, at, message string) {
	if len(*list) >= maxProblems {
		return
	}
	line := 1 + bytes.Count(d.data[:offset], []byte("\n"))
	column := offset - bytes.LastIndexByte(d.data[:offset], '\n')
	*list = append(*list, Problem{line, column, pointerText(at), message})
}

// report notes a problem of the value at a JSON pointer, or of the nearest
// value around it that exists. One is enough: what has the wrong type is
// wrong in other ways too.
func (d *decoder) report(at string, err error) {
	if rest, ok := strings.CutPrefix(at, "/host_url"); ok && d.root.Find("/host_url") == nil {
		at = "/api_url" + rest
	}
	v, p := d.root.Find(at), at
	for v == nil {
		p = p[:strings.LastIndexByte(p, '/')]
		v = d.root.Find(p)
	}
	if _, literal := v.Value.(hujson.Literal); literal {
		at = p // a string that stands for a list of one
	}
	path := pointerText(at)
	if !slices.ContainsFunc(d.problems, func(other Problem) bool { return other.Path == path }) {
		d.add(&d.problems, v.StartOffset, at, err.Error())
	}
}

// object reads the members of v. A null member counts as absent.
func (d *decoder) object(v *hujson.Value, at string, fields []field) {
	obj, ok := v.Value.(*hujson.Object)
	if !ok {
		d.wrongType(v, at, "an object")
		return
	}
	seen := make(map[string]bool, len(obj.Members))
	for i := range obj.Members {
		d.member(&obj.Members[i], at, fields, seen)
	}
	for _, f := range fields {
		if f.required && !seen[f.name] {
			d.add(&d.problems, v.StartOffset, at+"/"+f.name, "is required")
		}
	}
}

func (d *decoder) member(m *hujson.ObjectMember, at string, fields []field, seen map[string]bool) {
	name := literalText(&m.Name)
	if seen[name] {
		d.add(&d.problems, m.Name.StartOffset, at+"/"+name, "occurs twice")
		return
	}
	seen[name] = true
	for _, f := range fields {
		if f.name != name {
			continue
		}
		switch {
		case !isNull(&m.Value):
			f.read(&m.Value, at+"/"+name)
		case f.required:
			d.add(&d.problems, m.Value.StartOffset, at+"/"+name, "is required and can't be null")
		}
		return
	}
	d.unknown(m, at, name, fields)
}

// unknown notes a field that means nothing, with the name that may be meant.
func (d *decoder) unknown(m *hujson.ObjectMember, at, name string, fields []field) {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	message := fmt.Sprintf("field %s is unknown", quote(name))
	if near := nearest(name, names); near != "" {
		message += fmt.Sprintf("; did you mean %q?", near)
	}
	d.add(&d.warnings, m.Name.StartOffset, at, message)
}

// literalText returns the value of a string; most hold no escape.
func literalText(v *hujson.Value) string {
	literal := v.Value.(hujson.Literal)
	if bytes.IndexByte(literal, '\\') < 0 {
		return string(literal[1 : len(literal)-1])
	}
	return literal.String()
}

func isNull(v *hujson.Value) bool { return v.Value.Kind() == 'n' }

func (d *decoder) wrongType(v *hujson.Value, at, want string) {
	kinds := map[hujson.Kind]string{'n': "null", 't': "true", 'f': "false", '"': "a string", '0': "a number", '{': "an object", '[': "a list"}
	d.add(&d.problems, v.StartOffset, at, fmt.Sprintf("must be %s, not %s", want, kinds[v.Value.Kind()]))
}

// text reads a string that says something.
func (d *decoder) text(into *string) func(*hujson.Value, string) {
	read := d.anyText(into)
	return func(v *hujson.Value, at string) {
		if string(literalOf(v)) == `""` {
			d.add(&d.problems, v.StartOffset, at, "is empty")
			return
		}
		read(v, at)
	}
}

// literalOf returns the source text of a value that has no parts, else nil.
func literalOf(v *hujson.Value) hujson.Literal {
	literal, _ := v.Value.(hujson.Literal)
	return literal
}

// anyText reads a string.
func (d *decoder) anyText(into *string) func(*hujson.Value, string) {
	return func(v *hujson.Value, at string) {
		if v.Value.Kind() != '"' {
			d.wrongType(v, at, "a string")
			return
		}
		*into = literalText(v)
	}
}

// flag reads a boolean.
func (d *decoder) flag(into *bool) func(*hujson.Value, string) {
	return func(v *hujson.Value, at string) {
		if k := v.Value.Kind(); k != 't' && k != 'f' {
			d.wrongType(v, at, "true or false")
			return
		}
		*into = v.Value.Kind() == 't'
	}
}

// number reads a whole number.
func (d *decoder) number(into *int) func(*hujson.Value, string) {
	return func(v *hujson.Value, at string) {
		if v.Value.Kind() != '0' {
			d.wrongType(v, at, "a number")
			return
		}
		n, err := strconv.Atoi(string(v.Value.(hujson.Literal)))
		if err != nil {
			d.add(&d.problems, v.StartOffset, at, "must be a whole number")
			return
		}
		*into = n
	}
}

// elements calls read for every element of a list.
func (d *decoder) elements(v *hujson.Value, at string, limit int, read func(v *hujson.Value, at string)) {
	arr, ok := v.Value.(*hujson.Array)
	if !ok {
		d.wrongType(v, at, "a list")
		return
	}
	if len(arr.Elements) > limit {
		d.add(&d.problems, v.StartOffset, at, fmt.Sprintf("has more than %d entries", limit))
		return
	}
	for i := range arr.Elements {
		read(&arr.Elements[i], at+"/"+strconv.Itoa(i))
	}
}

// texts reads a list of strings; with single set, a string stands for a list
// of one.
func (d *decoder) texts(into *[]string, limit int, single bool) func(*hujson.Value, string) {
	return func(v *hujson.Value, at string) {
		one := func(v *hujson.Value, at string) {
			var s string
			d.text(&s)(v, at)
			*into = append(*into, s)
		}
		if single && v.Value.Kind() == '"' {
			one(v, at)
			return
		}
		d.elements(v, at, limit, one)
	}
}

// textMap reads an object of strings under names of the file's own choosing.
func (d *decoder) textMap(into *map[string]string, limit int) func(*hujson.Value, string) {
	return func(v *hujson.Value, at string) {
		obj, ok := v.Value.(*hujson.Object)
		if !ok {
			d.wrongType(v, at, "an object")
			return
		}
		if len(obj.Members) > limit {
			d.add(&d.problems, v.StartOffset, at, fmt.Sprintf("has more than %d entries", limit))
			return
		}
		*into = make(map[string]string, len(obj.Members))
		for i := range obj.Members {
			m := &obj.Members[i]
			name := literalText(&m.Name)
			if _, again := (*into)[name]; again {
				d.add(&d.problems, m.Name.StartOffset, at+"/"+escapePointer(name), "occurs twice")
				continue
			}
			var value string
			d.anyText(&value)(&m.Value, at+"/"+escapePointer(name))
			(*into)[name] = value
		}
	}
}

package proxy

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// bufferedBody is the largest body of known length that is read whole before
// it is passed on: it keeps an exact length, whatever is replaced.
const bufferedBody = 64 << 10

// redactor takes what repeats a secret out of one response.
//
// A body of known length up to 64 KiB is read whole and gets an exact length.
// A longer one keeps its length: the placeholder is cut or filled up with *
// to the length of what it replaces; so is whatever is no text, which may hold
// lengths inside. A body of unknown length is replaced as it streams, and no
// more of it is held back than what could be the beginning of a secret, of
// gRPC messages that are complete nothing: the server may wait for an answer
// before it sends the next. Only codings that can be searched are asked for; a
// packed body is passed on as it is when it is small and clean, and unpacked
// otherwise.
type redactor struct {
	*matcher
	placeholder string
	replaced    bool // something of the body
}

// redactor returns nil when grant names nothing to redact.
func (m *matchers) redactor(grant Grant) *redactor {
	if len(grant.Redact) == 0 {
		return nil
	}
	matcher := m.get(grant.Redact)
	if matcher == nil {
		return nil
	}
	return &redactor{matcher: matcher, placeholder: grant.Placeholder}
}

// header replaces in values, and drops fields whose name is the secret; of a
// body in which something was replaced also what vouches for it.
func (d *redactor) header(h http.Header) {
	if d == nil {
		return
	}
	if d.replaced {
		dropDigests(h)
	}
	var room [512]byte // find keeps nothing
	for name, values := range h {
		if _, _, found := d.find(append(room[:0], name...)); found {
			delete(h, name)
			continue
		}
		for i, value := range values {
			if _, _, found := d.find(append(room[:0], value...)); found {
				values = slices.Clone(values)
				clean, _ := d.replace(nil, []byte(value), true, false)
				values[i] = string(clean)
				h[name] = values
			}
		}
	}
}

// replace appends to out what of text can be passed on, and returns the end
// of text that has to wait for more, if there is any to come.
func (d *redactor) replace(out, text []byte, last, sameLength bool) (passed, held []byte) {
	for {
		start, end, found := d.find(text)
		hold := len(text)
		if !last {
			hold = d.partial(text)
		}
		if !found || hold <= start {
			return append(out, text[:hold]...), text[hold:]
		}
		d.replaced = true
		out = append(out, text[:start]...)
		out = d.fill(out, end-start, sameLength)
		text = text[end:]
	}
}

func (d *redactor) fill(out []byte, length int, sameLength bool) []byte {
	if !sameLength {
		return append(out, d.placeholder...)
	}
	out = append(out, d.placeholder[:min(length, len(d.placeholder))]...)
	for range length - len(d.placeholder) {
		out = append(out, '*')
	}
	return out
}

// body returns resp's body without the secret, and adjusts header to it. The
// error is a *Refusal for a body that can't be searched; any other means that
// the upstream's body could not be read.
func (d *redactor) body(resp *http.Response, header http.Header) (io.Reader, error) {
	if d == nil || resp.ContentLength == 0 {
		return resp.Body, nil
	}
	packing, err := codingsOf(header)
	if err != nil {
		return nil, err
	}
	if header["Content-Range"] != nil {
		return d.newPartScanner(resp.Body), nil
	}
	small := resp.ContentLength > 0 && resp.ContentLength <= bufferedBody
	sameLength := resp.ContentLength > bufferedBody || hasLengths(header)
	switch {
	case small && len(packing) > 0:
		return d.smallPacked(resp.Body, header, packing, sameLength)
	case len(packing) > 0:
		return d.unpack(resp.Body, header, packing, sameLength), nil
	case small && !sameLength:
		return d.small(resp, header)
	}
	s := &scanner{d: d, src: resp.Body, sameLength: sameLength}
	if isGRPC(header) {
		s.messages = new(messageEnds)
	}
	return s, nil
}

// hasLengths reports whether a body may hold lengths of its own, or offsets:
// it is no text.
func hasLengths(header http.Header) bool {
	media, _, _ := strings.Cut(lower(header.Get("Content-Type")), ";")
	kind, sub, _ := strings.Cut(strings.TrimSpace(media), "/")
	switch {
	case kind == "" || kind == "text" || sub == "x-www-form-urlencoded":
		return false
	}
	for _, ending := range []string{"json", "xml", "javascript", "ecmascript", "yaml", "graphql", "ndjson", "jsonlines"} {
		if strings.HasSuffix(sub, ending) {
			return strings.HasPrefix(sub, "grpc") || strings.HasPrefix(sub, "connect")
		}
	}
	return true
}

// small reads a body whole. One that is clean and fits into the connection's
// buffer stays there.
func (d *redactor) small(resp *http.Response, header http.Header) (io.Reader, error) {
	if own, ok := resp.Body.(*answerBody); ok {
		text := own.peek(resp.ContentLength)
		if _, _, found := d.find(text); text != nil && !found {
			return own, nil
		}
	}
	var buffer bytes.Buffer
	buffer.Grow(int(resp.ContentLength) + bytes.MinRead)
	if _, err := buffer.ReadFrom(resp.Body); err != nil {
		return nil, err
	}
	text := buffer.Bytes()
	if _, _, found := d.find(text); found {
		return d.rewritten(text, header, false), nil
	}
	return bytes.NewReader(text), nil
}

// rewritten is a body in which something was replaced: its length is another,
// and digests of the old one mean nothing.
func (d *redactor) rewritten(text []byte, header http.Header, sameLength bool) io.Reader {
	text, _ = d.replace(nil, text, true, sameLength)
	header["Content-Length"] = []string{strconv.Itoa(len(text))}
	delete(header, "Content-Encoding")
	dropDigests(header)
	return bytes.NewReader(text)
}

// smallPacked passes a packed body on as it is when it is clean.
func (d *redactor) smallPacked(body io.Reader, header http.Header, packing []string, sameLength bool) (io.Reader, error) {
	packed, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(newUnpacker(bytes.NewReader(packed), packing), inflatedBody))
	switch {
	case err != nil:
		return nil, err
	case len(text) == inflatedBody:
		return d.unpack(bytes.NewReader(packed), header, packing, sameLength), nil
	}
	if _, _, found := d.find(text); found {
		return d.rewritten(text, header, sameLength), nil
	}
	return bytes.NewReader(packed), nil
}

// unpack passes a packed body on unpacked, which costs less than packing it
// again for a client on the same machine. Its ETag stays: that is what a
// client that unpacks by itself would send back.
func (d *redactor) unpack(body io.Reader, header http.Header, packing []string, sameLength bool) io.Reader {
	delete(header, "Content-Length")
	delete(header, "Content-Encoding")
	dropDigests(header)
	return &scanner{d: d, src: newUnpacker(body, packing), sameLength: sameLength}
}

// dropDigests removes what was computed over a body that is passed on as
// another one.
func dropDigests(header http.Header) {
	for name := range header {
		switch base := strings.TrimPrefix(name, http.TrailerPrefix); base {
		case "Content-Md5", "Digest", "Content-Digest", "Repr-Digest", "X-Goog-Hash":
			delete(header, name)
		default:
			if strings.HasPrefix(base, "X-Amz-Checksum-") {
				delete(header, name)
			}
		}
	}
}

// scanner passes a stream on without the secret.
type scanner struct {
	d          *redactor
	src        io.Reader
	sameLength bool
	messages   *messageEnds // nil unless the stream is one of gRPC messages
	whole      bool         // no secret can go on behind the text that was read
	part       bool         // a secret may be cut off at the end
	buffer     []byte
	held       []byte // waits for more
	out        []byte // waits to be read
	err        error
}

func (s *scanner) Read(p []byte) (int, error) {
	for len(s.out) == 0 {
		if s.err != nil {
			return 0, s.err
		}
		if s.part || len(p) < 2*s.d.longest {
			s.scan()
		} else if n := s.pass(p); n > 0 {
			return n, nil
		}
	}
	n := copy(p, s.out)
	s.out = s.out[n:]
	return n, nil
}

// pass reads into p and returns how much of it can stay as it is. When
// something has to be replaced, that is 0, and the text is in out.
func (s *scanner) pass(p []byte) int {
	text := s.fill(p)
	if _, _, found := s.d.find(text); found {
		s.replace(text)
		return 0
	}
	hold := len(text)
	if !s.whole {
		hold = s.d.partial(text)
	}
	s.held = append(s.held[:0], text[hold:]...)
	return hold
}

// scan reads by way of a buffer of our own.
func (s *scanner) scan() {
	if s.buffer == nil {
		s.buffer = make([]byte, max(4*s.d.longest, 4<<10))
	}
	s.replace(s.fill(s.buffer))
}

// fill reads into p, behind what was held back.
func (s *scanner) fill(p []byte) []byte {
	n := copy(p, s.held)
	more, err := s.src.Read(p[n:])
	s.err = err
	s.whole = errors.Is(err, io.EOF) || s.messages != nil && s.messages.at(p[n:n+more])
	return p[:n+more]
}

func (s *scanner) replace(text []byte) {
	var held []byte
	s.out, held = s.d.replace(nil, text, s.whole && !s.part, s.sameLength)
	if s.whole && s.part {
		if len(held) >= minNeedle {
			s.d.blank(held)
		}
		s.out, held = append(s.out, held...), nil
	}
	s.held = append(s.held[:0], held...)
}

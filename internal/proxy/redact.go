package proxy

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

const (
	// bufferedBody is the largest body of known length that is read whole
	// before it is passed on: it keeps an exact length, whatever is replaced.
	bufferedBody = 64 << 10
	// inflatedBody bounds what such a body may be when it is unpacked.
	inflatedBody = 4 << 20
	// After bombFree bytes of a packed body that is unpacked on the way, each
	// byte that came must account for no more than bombRatio.
	bombFree  = 8 << 20
	bombRatio = 200
)

var errBomb = errors.New("packed body that grows out of proportion")

// redactor takes what repeats a secret out of one response.
//
// A body of known length up to 64 KiB is read whole and gets an exact length.
// A longer one keeps its length: the placeholder is cut or filled up with *
// to the length of what it replaces; so are gRPC messages and ranges, which
// carry lengths inside. A body of unknown length is replaced as it streams,
// and no more of it is held back than what could be the beginning of a
// secret, of gRPC messages that are complete nothing: the server may wait for
// an answer before it sends the next. Only identity and gzip are asked for; a
// gzip body is passed on as it is when it is small and clean, and unpacked
// otherwise.
type redactor struct {
	*matcher
	placeholder []byte
	blind       string // the Content-Encoding that could not be searched
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
	return &redactor{matcher: matcher, placeholder: []byte(grant.Placeholder)}
}

// limitCodings asks for what can be searched.
func (d *redactor) limitCodings(h http.Header) {
	coding := "identity"
	for member := range tokens(h["Accept-Encoding"]) {
		name, weight, _ := strings.Cut(member, ";")
		refused := strings.Trim(strings.ReplaceAll(weight, " ", ""), "0.") == "q="
		if strings.EqualFold(strings.TrimSpace(name), "gzip") && !refused {
			coding = "gzip"
		}
	}
	h["Accept-Encoding"] = []string{coding}
	delete(h, "Grpc-Accept-Encoding")
}

// header replaces in values, and drops fields whose name is the secret.
func (d *redactor) header(h http.Header) {
	if d == nil {
		return
	}
	for name, values := range h {
		if _, _, found := d.find([]byte(name)); found {
			delete(h, name)
			continue
		}
		for i, value := range values {
			if _, _, found := d.find([]byte(value)); found {
				values = slices.Clone(values)
				values[i] = string(d.whole([]byte(value)))
				h[name] = values
			}
		}
	}
}

// whole replaces in text that is all there is.
func (d *redactor) whole(text []byte) []byte {
	clean, _ := d.replace(nil, text, true, false)
	return clean
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

// body returns resp's body without the secret, and adjusts header to it. An
// error means that the upstream's body could not be read.
func (d *redactor) body(resp *http.Response, header http.Header) (io.Reader, error) {
	if d == nil || resp.ContentLength == 0 {
		return resp.Body, nil
	}
	small := resp.ContentLength > 0 && resp.ContentLength <= bufferedBody
	messages := strings.HasPrefix(header.Get("Content-Type"), "application/grpc")
	sameLength := resp.ContentLength > bufferedBody || header["Content-Range"] != nil || messages
	switch coding := lower(strings.Join(header["Content-Encoding"], ", ")); {
	case coding == "gzip" && small, coding == "x-gzip" && small:
		return d.smallGzip(resp.Body, header)
	case coding == "gzip", coding == "x-gzip":
		return d.unpack(resp.Body, header), nil
	case coding != "" && coding != "identity":
		d.blind = headerSafe(coding)
		return resp.Body, nil
	case small && !sameLength:
		return d.small(resp.Body, header)
	}
	s := &scanner{d: d, src: resp.Body, sameLength: sameLength}
	if messages {
		s.messages = new(messageEnds)
	}
	return s, nil
}

// small reads a body whole.
func (d *redactor) small(body io.Reader, header http.Header) (io.Reader, error) {
	text, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	if _, _, found := d.find(text); found {
		return d.rewritten(text, header), nil
	}
	return bytes.NewReader(text), nil
}

// rewritten is a body in which something was replaced: its length is another,
// and digests of the old one mean nothing.
func (d *redactor) rewritten(text []byte, header http.Header) io.Reader {
	text = d.whole(text)
	header["Content-Length"] = []string{strconv.Itoa(len(text))}
	for _, name := range []string{"Content-Encoding", "Content-Md5", "Digest", "Content-Digest", "Repr-Digest"} {
		delete(header, name)
	}
	return bytes.NewReader(text)
}

// smallGzip passes a packed body on as it is when it is clean.
func (d *redactor) smallGzip(body io.Reader, header http.Header) (io.Reader, error) {
	packed, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	unpacked, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(unpacked, inflatedBody))
	switch {
	case err != nil:
		return nil, err
	case len(text) == inflatedBody:
		return d.unpack(bytes.NewReader(packed), header), nil
	}
	if _, _, found := d.find(text); found {
		return d.rewritten(text, header), nil
	}
	return bytes.NewReader(packed), nil
}

// unpack passes a packed body on unpacked, which costs less than packing it
// again for a client on the same machine.
func (d *redactor) unpack(body io.Reader, header http.Header) io.Reader {
	for _, name := range []string{"Content-Length", "Content-Encoding", "Content-Md5", "Digest", "Content-Digest", "Repr-Digest"} {
		delete(header, name)
	}
	return &scanner{d: d, src: &unpacker{packed: counter{Reader: body}}}
}

// unpacker unpacks gzip as it comes, within proportion.
type unpacker struct {
	packed   counter
	unpacked *gzip.Reader
	out      int64
}

type counter struct {
	io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	return n, err
}

func (u *unpacker) Read(p []byte) (int, error) {
	if u.unpacked == nil {
		var err error
		if u.unpacked, err = gzip.NewReader(&u.packed); err != nil {
			return 0, err
		}
	}
	n, err := u.unpacked.Read(p)
	u.out += int64(n)
	if u.out > bombFree && u.out > u.packed.n*bombRatio {
		return 0, errBomb
	}
	return n, err
}

// scanner passes a stream on without the secret.
type scanner struct {
	d          *redactor
	src        io.Reader
	sameLength bool
	messages   *messageEnds // nil unless the stream is one of gRPC messages
	whole      bool         // no secret can go on behind the text that was read
	held       []byte       // waits for more
	out        []byte       // waits to be read
	err        error
}

func (s *scanner) Read(p []byte) (int, error) {
	for len(s.out) == 0 {
		if s.err != nil {
			return 0, s.err
		}
		if len(p) < 2*s.d.longest {
			s.scan(make([]byte, 4*s.d.longest))
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
func (s *scanner) scan(buffer []byte) { s.replace(s.fill(buffer)) }

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
	s.out, held = s.d.replace(nil, text, s.whole, s.sameLength)
	s.held = append(s.held[:0], held...)
}

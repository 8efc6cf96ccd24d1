package proxy

import (
	"errors"
	"net"

	"golang.org/x/net/http2"
)

var errIndexed = errors.New("http2: a header block that can't be kept out of compression tables")

// neverIndexed is an HTTP/2 client's connection to a server on which every
// field that is written out is marked never indexed (RFC 7541 section 6.2.3):
// no hop on the way may put it into a compression table, where its length would
// tell an attacker who adds fields of their own what it is (section 7.1). The
// mark is on all fields, because a credential can be in any: a field of any
// name, a cookie, the query.
//
// The engine above can't be told so. But with a table that has no room it
// writes each field without indexing, which is the same bytes but for one bit.
// Whatever else it might write ends the connection.
type neverIndexed struct {
	net.Conn
	preface int    // bytes of the connection preface that were seen
	head    []byte // of the frame that begins, as far as it came
	left    int    // of the frame's payload
	fields  bool   // which is part of a header block
	last    bool   // the last part
	block   fieldBlock
	copied  []byte
}

const (
	frameHead     = 9
	headerFlags   = http2.FlagHeadersPadded | http2.FlagHeadersPriority
	headersEnd    = http2.FlagHeadersEndHeaders
	maxFieldText  = 1 << 24
	continuedByte = 0x80
)

// Write is called by one goroutine at a time.
func (c *neverIndexed) Write(p []byte) (int, error) {
	marked, err := c.mark(p)
	if err != nil {
		return 0, err
	}
	return c.Conn.Write(marked)
}

// mark returns p, or a copy with the marks set.
func (c *neverIndexed) mark(p []byte) ([]byte, error) {
	skip := min(len(http2.ClientPreface)-c.preface, len(p))
	c.preface += skip
	out, owned := p, false
	for i := skip; i < len(p); {
		if c.left == 0 {
			n, err := c.begin(p[i:])
			if err != nil {
				return nil, err
			}
			i += n
			continue
		}
		n := min(c.left, len(p)-i)
		if c.fields {
			if !owned { // an io.Writer leaves what it is given alone
				c.copied = append(c.copied[:0], p...)
				out, owned = c.copied, true
			}
			if err := c.block.mark(out[i : i+n]); err != nil {
				return nil, err
			}
		}
		c.left -= n
		i += n
		if c.left == 0 && c.last && c.block.step != atField {
			return nil, errIndexed
		}
	}
	return out, nil
}

// begin reads what it can of a frame's head and returns how much that was.
func (c *neverIndexed) begin(p []byte) (int, error) {
	n := min(frameHead-len(c.head), len(p))
	c.head = append(c.head, p[:n]...)
	if len(c.head) < frameHead {
		return n, nil
	}
	c.left = int(c.head[0])<<16 | int(c.head[1])<<8 | int(c.head[2])
	kind, flags := http2.FrameType(c.head[3]), http2.Flags(c.head[4])
	c.head = c.head[:0]
	c.fields = kind == http2.FrameHeaders || kind == http2.FrameContinuation
	c.last = c.fields && flags.Has(headersEnd)
	if kind == http2.FrameHeaders && flags&headerFlags != 0 {
		return n, errIndexed
	}
	return n, nil
}

// fieldBlock follows the field representations of one header block after the
// other (RFC 7541 section 6), whatever the pieces are in which they come.
type fieldBlock struct {
	step  fieldStep
	texts int // strings of the field that are still to come: name, value
	size  int // of the string, as far as it is known, or what is left of it
	shift int
}

type fieldStep uint8

const (
	atField  fieldStep = iota
	inIndex            // in an index that takes more than its prefix
	atText             // before a string
	inLength           // in a length that takes more than its prefix
	inText
)

// mark sets the never-indexed mark of each field that begins in p.
func (b *fieldBlock) mark(p []byte) error {
	for i := 0; i < len(p); i++ {
		c := p[i]
		switch b.step {
		case atField:
			prefix, err := b.begin(c)
			if err != nil {
				return err
			}
			if b.texts > 0 {
				p[i] |= 0x10
			}
			if b.step = inIndex; c&prefix != prefix {
				b.next()
			}
		case inIndex:
			if c&continuedByte == 0 {
				b.next()
			}
		case atText:
			b.size, b.shift = int(c&0x7f), 0
			if b.step = inLength; b.size != 0x7f {
				b.text()
			}
		case inLength:
			if err := b.length(c); err != nil {
				return err
			}
		case inText:
			n := min(b.size, len(p)-i)
			b.size -= n
			i += n - 1
			if b.size == 0 {
				b.next()
			}
		}
	}
	return nil
}

// begin reads a representation's first byte and returns the mask of the number
// in it.
func (b *fieldBlock) begin(c byte) (prefix byte, err error) {
	switch {
	case c >= 0x80: // an indexed field: of the static table, there being no other
		prefix, b.texts = 0x7f, 0
	case c >= 0x40: // with incremental indexing
		return 0, errIndexed
	case c >= 0x20: // a table's size
		prefix, b.texts = 0x1f, 0
	case c&0x0f == 0: // name and value
		prefix, b.texts = 0x0f, 2
	default: // an indexed name, and the value
		prefix, b.texts = 0x0f, 1
	}
	return prefix, nil
}

// next goes on to the field's next string, or the next field.
func (b *fieldBlock) next() {
	b.step = atField
	if b.texts > 0 {
		b.texts--
		b.step = atText
	}
}

// length reads one more byte of a string's length.
func (b *fieldBlock) length(c byte) error {
	b.size += int(c&0x7f) << b.shift
	b.shift += 7
	switch {
	case b.size > maxFieldText || b.shift > 28:
		return errIndexed
	case c&continuedByte == 0:
		b.text()
	}
	return nil
}

// text begins a string of which the length is known.
func (b *fieldBlock) text() {
	if b.step = inText; b.size == 0 {
		b.next()
	}
}

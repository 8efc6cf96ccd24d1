package proxy

import (
	"bufio"
	"errors"
	"io"
	"net/http"
)

// maxChunkLine bounds a chunk's size line. 16 hexadecimal digits are all that
// is accepted; the rest of the room is for the error.
const maxChunkLine = 64

// chunkedReader reads a chunked body (RFC 9112 section 7.1) whose every byte
// is as the grammar says. Chunk extensions, which nobody sends and parsers
// disagree about, are refused.
type chunkedReader struct {
	br      *bufio.Reader
	left    uint64      // of the current chunk
	started bool        // a chunk's end is due before the next size
	trailer http.Header // the trailer section, after io.EOF
	err     error
}

func (c *chunkedReader) Read(p []byte) (int, error) {
	if c.err != nil || len(p) == 0 {
		return 0, c.err
	}
	if c.left == 0 {
		if c.err = c.next(); c.err != nil {
			return 0, c.err
		}
	}
	if uint64(len(p)) > c.left {
		p = p[:c.left]
	}
	n, err := c.br.Read(p)
	c.left -= uint64(n)
	if err != nil {
		c.err = cut(err)
	}
	return n, c.err
}

// next reads up to the data of the next chunk; after the last it reads the
// trailer section and returns io.EOF.
func (c *chunkedReader) next() error {
	if c.started {
		if line, err := c.line(2); err != nil || len(line) != 0 {
			return orBad(err, "chunk longer than its size")
		}
	}
	c.started = true
	line, err := c.line(maxChunkLine)
	if err != nil {
		return err
	}
	if c.left, err = parseChunkSize(line); err != nil || c.left > 0 {
		return err
	}
	text, err := c.trailerText()
	if err != nil {
		return err
	}
	if c.trailer, _, err = parseFields(text); err != nil {
		return err
	}
	return io.EOF
}

// line reads one line of at most limit bytes with its CRLF, and returns it
// without.
func (c *chunkedReader) line(limit int) ([]byte, error) {
	line, err := c.br.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, bad("chunk line too long")
	case err != nil:
		return nil, cut(err)
	case len(line) > limit:
		return nil, bad("chunk line too long")
	case len(line) < 2 || line[len(line)-2] != '\r':
		return nil, bad("chunk line that does not end in CRLF")
	}
	return line[:len(line)-2], nil
}

func parseChunkSize(line []byte) (uint64, error) {
	if len(line) == 0 || len(line) > 16 {
		return 0, bad("chunk size that is not a plain hexadecimal number")
	}
	var n uint64
	for _, c := range line {
		digit := uint64(c - '0')
		if l := c | 0x20; 'a' <= l && l <= 'f' {
			digit = uint64(l-'a') + 10
		} else if !isDigit(c) {
			return 0, bad("chunk size that is not a plain hexadecimal number")
		}
		n = n<<4 | digit
	}
	if n>>62 != 0 {
		return 0, bad("chunk size that no body has")
	}
	return n, nil
}

// trailerText reads the trailer section under the limits of a head.
func (c *chunkedReader) trailerText() (string, error) {
	var text []byte
	for lines := 0; ; lines++ {
		line, err := c.line(maxLine)
		if err != nil {
			return "", err
		}
		if len(line) == 0 {
			return string(text), nil
		}
		if badByte(line) >= 0 || lines >= maxFields || len(text)+len(line) > maxHead {
			return "", bad("trailer section that is too large or holds a control character")
		}
		text = append(append(text, line...), '\r', '\n')
	}
}

// cut is err for an end where there must be more.
func cut(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func orBad(err error, reason string) error {
	if err != nil {
		return err
	}
	return bad(reason)
}

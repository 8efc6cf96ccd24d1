package inject

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Bounds of what is held of a streaming payload: a chunk's signature stands
// before it and is known at its end.
const (
	maxChunk     = 4 << 20
	maxChunkLine = 128
	maxTrailer   = 16 << 10
)

const (
	chunkExtension = ";chunk-signature="
	trailerField   = "x-amz-trailer-signature"
)

// chunkSigner is the body of a request whose chunks are signed one by one
// (x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD). It compares each
// signature with the one that the placeholder makes and passes the chunk on
// with another of the same length.
type chunkSigner struct {
	io.Closer
	src     *bufio.Reader
	trailer bool // a signed trailer follows the chunks

	given, made chain
	chunk       bytes.Buffer // what waits to be read
	ended       error
}

// chain is a row of signatures, each of which signs the one before.
type chain struct {
	key   []byte
	after string // time and scope, with their ends of line
	last  string
}

// newChunkSigner signs the chunks of a request anew: s is the signature it came
// with, made with the secret from; made is the one it has, made with to.
func newChunkSigner(body io.ReadCloser, s signature, from, to, made string) *chunkSigner {
	after := s.time + "\n" + s.scope() + "\n"
	return &chunkSigner{
		Closer: body, src: bufio.NewReader(body), trailer: s.payload != streamingSigned,
		given: chain{s.key(from), after, s.value}, made: chain{s.key(to), after, made},
	}
}

// next returns the next signature of the chain.
func (c *chain) next(kind string, hashes ...string) string {
	c.last = hex.EncodeToString(mac(c.key, kind+"\n"+c.after+c.last+"\n"+strings.Join(hashes, "\n")))
	return c.last
}

func (c *chunkSigner) Read(p []byte) (int, error) {
	for c.chunk.Len() == 0 && c.ended == nil {
		if err := c.fill(); err != nil {
			c.chunk.Reset()
			c.ended = err
		}
	}
	if c.chunk.Len() == 0 {
		return 0, c.ended
	}
	return c.chunk.Read(p)
}

// fill takes one chunk, or what stands behind the last.
func (c *chunkSigner) fill() error {
	line, err := c.line()
	if err != nil {
		return err
	}
	size, given, err := parseChunkLine(line)
	if err != nil {
		return err
	}
	data, err := c.data(size)
	if err != nil {
		return err
	}
	made, err := c.replace(given, algorithm+"-PAYLOAD", sha256Hex(nil), sha256Hex(data[:size]))
	if err != nil {
		return err
	}
	digits, _, _ := strings.Cut(line, ";")
	c.chunk.WriteString(digits + chunkExtension + made + "\r\n")
	c.chunk.Write(data)
	if size == 0 {
		return c.finish()
	}
	return nil
}

// replace compares a signature and returns the one in its place.
func (c *chunkSigner) replace(given, kind string, hashes ...string) (string, error) {
	if !hmac.Equal([]byte(c.given.next(kind, hashes...)), []byte(given)) {
		return "", fmt.Errorf("%w: that of a chunk is not what the placeholder secret makes of it", ErrSignature)
	}
	return c.made.next(kind, hashes...), nil
}

var errChunk = fmt.Errorf("%w: the chunks of the body are malformed", ErrSignature)

// cutShort makes an end in the middle of something an error.
func cutShort(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errChunk
	}
	return err
}

// line reads a chunk's first line, without its end.
func (c *chunkSigner) line() (string, error) {
	var line []byte
	for len(line) <= maxChunkLine {
		b, err := c.src.ReadByte()
		if err != nil {
			return "", cutShort(err)
		}
		if line = append(line, b); b == '\n' {
			text, ok := strings.CutSuffix(string(line), "\r\n")
			if !ok {
				return "", errChunk
			}
			return text, nil
		}
	}
	return "", errChunk
}

// parseChunkLine reads SIZE;chunk-signature=SIGNATURE.
func parseChunkLine(line string) (size int, signature string, err error) {
	digits, signature, ok := strings.Cut(line, chunkExtension)
	if !ok || !isHash(signature) || digits == "" || len(digits) > 8 || strings.Trim(digits, "0123456789abcdefABCDEF") != "" {
		return 0, "", errChunk
	}
	n, err := strconv.ParseUint(digits, 16, 32)
	if err != nil {
		return 0, "", errChunk
	}
	if n > maxChunk {
		return 0, "", fmt.Errorf("%w: a signed chunk is longer than %d MiB", ErrSigning, maxChunk>>20)
	}
	return int(n), signature, nil
}

// data reads a chunk's bytes and the end of line behind them; the last chunk
// has neither.
func (c *chunkSigner) data(size int) ([]byte, error) {
	if size == 0 {
		return nil, nil
	}
	var data bytes.Buffer // grows with what comes, not with what is announced
	if _, err := io.CopyN(&data, c.src, int64(size)+2); err != nil {
		return nil, cutShort(err)
	}
	if !bytes.HasSuffix(data.Bytes(), []byte("\r\n")) {
		return nil, errChunk
	}
	return data.Bytes(), nil
}

// finish takes what stands behind the last chunk: an empty line, or the
// trailer.
func (c *chunkSigner) finish() error {
	rest, err := io.ReadAll(io.LimitReader(c.src, maxTrailer+1))
	switch {
	case err != nil:
		return cutShort(err)
	case len(rest) > maxTrailer:
		return errChunk
	}
	if c.trailer {
		rest, err = c.signTrailer(string(rest))
	} else if len(rest) > 0 && string(rest) != "\r\n" {
		err = errChunk
	}
	if err != nil {
		return err
	}
	c.chunk.Write(rest)
	c.ended = io.EOF
	return nil
}

// signTrailer puts another signature into the trailer.
func (c *chunkSigner) signTrailer(trailer string) ([]byte, error) {
	var fields []string
	given := ""
	for line := range strings.SplitSeq(trailer, "\n") {
		name, value, found := strings.Cut(strings.TrimSuffix(line, "\r"), ":")
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
		switch {
		case name == trailerField && given == "":
			given = value
		case found && name != trailerField:
			fields = append(fields, name+":"+value+"\n")
		case found || name != "":
			return nil, errChunk
		}
	}
	if !isHash(given) {
		return nil, errChunk
	}
	slices.Sort(fields)
	made, err := c.replace(given, algorithm+"-TRAILER", sha256Hex([]byte(strings.Join(fields, ""))))
	if err != nil {
		return nil, err
	}
	return []byte(strings.Replace(trailer, given, made, 1)), nil
}

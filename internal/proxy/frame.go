package proxy

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
)

// Opcodes of RFC 6455 section 5.2.
const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPong         = 0xa
)

// maxControl is the longest payload of a control frame.
const maxControl = 125

// frame is the head of a websocket frame.
type frame struct {
	raw    []byte // as it came
	fin    bool
	opcode byte
	key    []byte // the mask; nil without one
	length int64  // of the payload that follows
}

func (f *frame) isControl() bool { return f.opcode >= opClose }

// frameError is a frame that the peer must not send. Whoever replaces in
// messages can't tell then what the bytes after it mean.
type frameError string

func (e frameError) Error() string { return string(e) }

// frameReader reads the frames of one direction.
type frameReader struct {
	src     *bufio.Reader
	masked  bool // as the client's have to be
	message bool // between the fragments of a message
}

// next reads a frame's head, and refuses what RFC 6455 section 5 does not
// allow where no extension is in use. io.EOF is an end between two frames.
func (s *frameReader) next() (*frame, error) {
	raw := make([]byte, 2, 14)
	if _, err := io.ReadFull(s.src, raw); err != nil {
		return nil, err
	}
	f := &frame{fin: raw[0]&0x80 != 0, opcode: raw[0] & 0x0f}
	size, masked := raw[1]&0x7f, raw[1]&0x80 != 0
	if err := s.check(f, raw[0], masked, size); err != nil {
		return nil, err
	}
	more := map[byte]int{126: 2, 127: 8}[size]
	if masked {
		more += 4
	}
	raw = raw[:2+more]
	if _, err := io.ReadFull(s.src, raw[2:]); err != nil {
		return nil, cut(err)
	}
	if f.raw = raw; masked {
		f.key = raw[len(raw)-4:]
	}
	f.length = payloadLength(size, raw[2:])
	if f.length < 0 {
		return nil, frameError("a length of more than 63 bits")
	}
	return f, nil
}

// check is about the first two bytes, and keeps track of messages.
func (s *frameReader) check(f *frame, first byte, masked bool, size byte) error {
	switch {
	case first&0x70 != 0:
		return frameError("a reserved bit without an extension")
	case f.opcode > opPong, f.opcode > opBinary && f.opcode < opClose:
		return frameError("a reserved opcode")
	case masked != s.masked:
		return frameError("a mask where none belongs, or none where one does")
	case f.isControl() && (!f.fin || size > maxControl):
		return frameError("a control frame in fragments, or longer than 125 bytes")
	case f.isControl():
		return nil
	case s.message != (f.opcode == opContinuation):
		return frameError("a message inside another, or the continuation of none")
	}
	s.message = !f.fin
	return nil
}

// payload hands over the next bytes piece by piece, as they come. A piece is
// valid until each returns.
func (s *frameReader) payload(length int64, each func(piece []byte, last bool) error) error {
	for length > 0 {
		if _, err := s.src.Peek(1); err != nil {
			return cut(err)
		}
		piece, err := s.src.Peek(int(min(length, int64(s.src.Buffered()))))
		if err != nil {
			return err
		}
		length -= int64(len(piece))
		if err := each(piece, length == 0); err != nil {
			return err
		}
		if _, err := s.src.Discard(len(piece)); err != nil {
			return err
		}
	}
	return nil
}

func payloadLength(size byte, extended []byte) int64 {
	switch size {
	case 126:
		return int64(binary.BigEndian.Uint16(extended))
	case 127:
		return int64(binary.BigEndian.Uint64(extended)) //nolint:gosec // the caller refuses what is negative
	}
	return int64(size)
}

// notEOF is err for the end of a direction: none, where it ended as it may.
func notEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// appendFrame appends the head of an unfragmented frame.
func appendFrame(b []byte, opcode byte, key []byte, length int) []byte {
	var mask byte
	if key != nil {
		mask = 0x80
	}
	b = append(b, 0x80|opcode)
	switch {
	case length <= maxControl:
		b = append(b, mask|byte(length))
	case length <= 0xffff:
		b = binary.BigEndian.AppendUint16(append(b, mask|126), uint16(length)) //nolint:gosec // see case
	default:
		b = binary.BigEndian.AppendUint64(append(b, mask|127), uint64(length)) //nolint:gosec // a length
	}
	return append(b, key...)
}

// mask masks or unmasks a payload from its first byte on.
func mask(payload, key []byte) {
	for i := range payload {
		payload[i] ^= key[i%4]
	}
}

// flusher flushes what was written before it waits for more to read: frames
// that are complete never wait for those that are not.
type flusher struct {
	io.Reader
	dst *bufio.Writer
}

func (f flusher) Read(p []byte) (int, error) {
	if err := f.dst.Flush(); err != nil {
		return 0, err
	}
	return f.Reader.Read(p)
}

// frameBuffer is the size of the buffers of a direction that is parsed.
const frameBuffer = 16 << 10

// parsed returns the reader and the writer of a direction that is parsed.
func parsed(to io.Writer, from io.Reader) (*bufio.Reader, *bufio.Writer) {
	dst := bufio.NewWriterSize(to, frameBuffer)
	return bufio.NewReaderSize(flusher{from, dst}, frameBuffer), dst
}

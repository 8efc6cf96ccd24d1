package proxy

import (
	"bufio"
	"crypto/rand"
	"errors"
	"io"
	"math"
)

// maxMessage bounds a text message, frame heads and all, that is held until
// it is whole. Messages that authenticate are short; longer ones pass as they
// are.
const maxMessage = 64 << 10

// messages passes the client's frames on, with its short text messages as
// replace returns them. A message in which nothing was replaced, and every
// other frame, stays byte for byte what it was. Pings overtake a message that
// is not complete.
type messages struct {
	frameReader
	dst     *bufio.Writer
	replace func([]byte) []byte
	holding bool
	held    []byte // the frames of a message that is not complete
	text    []byte // what they carry
}

// copyMessages copies until from ends. A *frameError ends it too, and then
// nothing of the frame was passed on.
func copyMessages(to io.Writer, from io.Reader, replace func([]byte) []byte) error {
	src, dst := parsed(to, from)
	m := messages{frameReader: frameReader{src: src, masked: true}, dst: dst, replace: replace}
	err := m.copy()
	if _, flushErr := dst.Write(m.held); flushErr != nil {
		return flushErr
	}
	if flushErr := dst.Flush(); flushErr != nil {
		return flushErr
	}
	return notEOF(err)
}

func (m *messages) copy() error {
	for {
		f, err := m.next()
		if err != nil {
			return err
		}
		m.holding = m.holding || f.opcode == opText
		switch {
		case f.opcode == opClose:
			return m.close(f)
		case !f.isControl() && m.holding && f.length <= maxMessage-int64(len(m.held)+len(f.raw)):
			err = m.hold(f)
		case !f.isControl():
			err = m.pass(f)
		default:
			err = m.copyFrame(f)
		}
		if err != nil {
			return err
		}
	}
}

// close passes on what is held and the Close frame; there is no message after
// it.
func (m *messages) close(f *frame) error {
	if err := m.pass(f); err != nil {
		return err
	}
	if err := m.payload(math.MaxInt64, m.write); !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	return io.EOF // there was no end to expect
}

func (m *messages) write(piece []byte, _ bool) error {
	_, err := m.dst.Write(piece)
	return err
}

// pass is for frames of messages that nothing is replaced in.
func (m *messages) pass(f *frame) error {
	if _, err := m.dst.Write(m.held); err != nil {
		return err
	}
	m.held, m.text, m.holding = nil, nil, false
	return m.copyFrame(f)
}

func (m *messages) copyFrame(f *frame) error {
	if _, err := m.dst.Write(f.raw); err != nil {
		return err
	}
	return m.payload(f.length, m.write)
}

// hold takes a frame in, and passes the message on when it was the last one.
func (m *messages) hold(f *frame) error {
	payload := make([]byte, f.length)
	n, err := io.ReadFull(m.src, payload)
	m.held = append(append(m.held, f.raw...), payload[:n]...)
	if err != nil {
		return cut(err)
	}
	mask(payload, f.key)
	if m.text = append(m.text, payload...); !f.fin {
		return nil
	}
	whole := m.held
	if replaced := m.replace(m.text); string(replaced) != string(m.text) {
		whole = masked(opText, replaced)
	}
	m.held, m.text, m.holding = nil, nil, false
	_, err = m.dst.Write(whole)
	return err
}

// masked is a client's frame, with a mask that nobody could foresee.
func masked(opcode byte, payload []byte) []byte {
	var key [4]byte
	_, _ = rand.Read(key[:]) // never fails
	b := appendFrame(nil, opcode, key[:], len(payload))
	head := len(b)
	b = append(b, payload...)
	mask(b[head:], key[:])
	return b
}

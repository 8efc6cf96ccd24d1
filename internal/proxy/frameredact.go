package proxy

import (
	"bufio"
	"errors"
	"io"
)

// maxPending bounds what waits behind the end of a fragment that could be the
// beginning of a secret.
const maxPending = 64 << 10

// cleanFrames passes the server's frames on without the secret. A replacement
// has the length of what it replaces, so every frame keeps its head. The end
// of a fragment that could be the beginning of a secret waits for the next
// one, and what comes in between waits behind it; the end of a message never
// waits.
type cleanFrames struct {
	frameReader
	d       *redactor
	dst     *bufio.Writer
	held    []byte // payload that waits
	pending []byte // what waits, from the first byte of held on
	at      []int  // where in pending each byte of held is
}

// copyClean copies until from ends. A *frameError ends it too, and then
// nothing of the frame was passed on.
func copyClean(to io.Writer, from io.Reader, d *redactor) error {
	src, dst := parsed(to, from)
	c := cleanFrames{frameReader: frameReader{src: src}, d: d, dst: dst}
	err := c.copy()
	if flushErr := errors.Join(c.text(nil, true), dst.Flush()); flushErr != nil {
		return flushErr
	}
	return notEOF(err)
}

func (c *cleanFrames) copy() error {
	for {
		f, err := c.next()
		if err != nil {
			return err
		}
		if f.isControl() {
			err = c.control(f)
		} else {
			err = c.data(f)
		}
		if err != nil {
			return err
		}
	}
}

// control passes on a whole control frame: a reason to close can repeat
// something too.
func (c *cleanFrames) control(f *frame) error {
	whole := append(make([]byte, 0, len(f.raw)+maxControl), f.raw...)
	payload := whole[len(f.raw) : len(f.raw)+int(f.length)]
	if _, err := io.ReadFull(c.src, payload); err != nil {
		return cut(err)
	}
	c.d.overwrite(payload, true)
	return c.write(whole[:len(f.raw)+len(payload)])
}

// write passes on what is no payload of a message, or lets it wait.
func (c *cleanFrames) write(b []byte) error {
	if len(c.held) == 0 {
		_, err := c.dst.Write(b)
		return err
	}
	if len(c.pending)+len(b) > maxPending {
		return frameError("too many frames between the fragments of a message")
	}
	c.pending = append(c.pending, b...)
	return nil
}

// data passes a frame's payload on piece by piece.
func (c *cleanFrames) data(f *frame) error {
	if err := c.write(f.raw); err != nil {
		return err
	}
	if f.fin && f.length == 0 {
		return c.text(nil, true)
	}
	return c.payload(f.length, func(piece []byte, last bool) error { return c.text(piece, last && f.fin) })
}

// text takes the next piece of a message in and passes on what can be. It may
// overwrite the piece.
func (c *cleanFrames) text(piece []byte, last bool) error {
	if len(c.held) == 0 {
		hold := c.d.overwrite(piece, last)
		c.keep(piece[hold:])
		_, err := c.dst.Write(piece[:hold])
		return err
	}
	whole := append(c.held, piece...)
	hold := c.d.overwrite(whole, last)
	for i, at := range c.at {
		c.pending[at] = whole[i]
	}
	if hold < len(c.at) {
		return c.passUntil(hold, whole)
	}
	if _, err := c.dst.Write(c.pending); err != nil {
		return err
	}
	_, err := c.dst.Write(whole[len(c.at):hold])
	c.keep(whole[hold:])
	return err
}

// keep makes text all that waits.
func (c *cleanFrames) keep(text []byte) {
	c.held = append(c.held[:0], text...)
	c.pending = append(c.pending[:0], text...)
	c.at = c.at[:0]
	for i := range text {
		c.at = append(c.at, i)
	}
}

// passUntil passes on what waits up to the byte hold of whole, which is what
// was held and the piece behind it.
func (c *cleanFrames) passUntil(hold int, whole []byte) error {
	cut := c.at[hold]
	for i := len(c.at); i < len(whole); i++ {
		c.at = append(c.at, len(c.pending))
		c.pending = append(c.pending, whole[i])
	}
	_, err := c.dst.Write(c.pending[:cut])
	c.held = append(c.held[:0], whole[hold:]...)
	c.pending = append(c.pending[:0], c.pending[cut:]...)
	c.at = append(c.at[:0], c.at[hold:]...)
	for i := range c.at {
		c.at[i] -= cut
	}
	return err
}

// overwrite replaces in text, keeping its length, and returns where the part
// begins that has to wait for more.
func (d *redactor) overwrite(text []byte, last bool) int {
	_, held := d.replace(text[:0], text, last, true)
	return len(text) - len(held)
}

package proxy

import (
	"io"
	"sync"
)

// recordSize is what one TLS record holds at most.
const recordSize = 16 << 10

// output collects what is written to a connection, so that it leaves in as few
// and as full TLS records as can be. After an error it takes no more.
type output struct {
	conn   io.Writer
	socket *pollable // below conn, nil if that is not TLS
	buf    []byte
	err    error
}

var outputs = sync.Pool{New: func() any { return &output{buf: make([]byte, 0, recordSize)} }}

func newOutput(conn io.Writer, socket *pollable) *output {
	o := outputs.Get().(*output)
	o.conn, o.socket = conn, socket
	return o
}

// release gives the buffer back. What was not flushed is lost.
func (o *output) release() {
	o.conn, o.socket, o.err = nil, nil, nil
	if cap(o.buf) <= 4*recordSize {
		o.buf = o.buf[:0]
		outputs.Put(o)
	}
}

// Write sends full records only, and several of them together.
func (o *output) Write(p []byte) (n int, err error) {
	if o.err == nil && o.socket != nil && len(o.buf)+len(p) >= 2*recordSize {
		o.err = o.socket.together(func() error {
			n, err = o.write(p)
			return err
		})
		return n, o.err
	}
	return o.write(p)
}

func (o *output) write(p []byte) (int, error) {
	written := 0
	for o.err == nil && len(o.buf)+len(p) >= recordSize {
		n := min(len(p), recordSize-len(o.buf))
		if n < 0 { // a head that is longer than a record
			n = 0
		}
		if len(o.buf) == 0 {
			_, o.err = o.conn.Write(p[:n])
		} else {
			o.buf = append(o.buf, p[:n]...)
			_ = o.Flush()
		}
		p, written = p[n:], written+n
	}
	if o.err != nil {
		return written, o.err
	}
	o.buf = append(o.buf, p...)
	return written + len(p), nil
}

// WriteString is Write.
func (o *output) WriteString(s string) (int, error) {
	if o.err == nil && len(o.buf)+len(s) < recordSize {
		o.buf = append(o.buf, s...)
		return len(s), nil
	}
	return o.Write([]byte(s))
}

// Flush sends what there is.
func (o *output) Flush() error {
	if o.err == nil && len(o.buf) > 0 {
		_, o.err = o.conn.Write(o.buf)
		o.buf = o.buf[:0]
	}
	return o.err
}

package lab

import (
	"bufio"
	"bytes"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

// An http1 is an HTTP/1 connection that records what is read through it. It
// follows the framing, so that it knows a head from a body, and hands on every
// byte as it came: what the server behind it makes of them is another matter.
type http1 struct {
	net.Conn
	br       *bufio.Reader
	recorder *recorder

	step    func() error // reads on: sets pending, perhaps the next step
	part    []byte       // of a head or line; a deadline may pass in the middle
	pending []byte       // recorded, not yet handed on
	left    int64        // of a body or chunk
	record  *Record      // of the request that is being read

	mu    sync.Mutex // guards queue
	queue []*Record  // read, not yet taken by a handler
}

func newHTTP1(conn net.Conn, r *recorder) *http1 {
	c := &http1{Conn: conn, br: bufio.NewReader(conn), recorder: r}
	c.step = c.head
	return c
}

func (c *http1) Read(p []byte) (int, error) {
	for len(c.pending) == 0 {
		if err := c.step(); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.pending)
	c.pending = c.pending[n:]
	return n, nil
}

// take returns the record of the request a handler is called for. Handlers are
// called in the order of the requests.
func (c *http1) take() *Record {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.queue[0]
	c.queue = c.queue[1:]
	return r
}

func (c *http1) head() error {
	const most = 1 << 20
	for len(c.part) < most && !bytes.HasSuffix(c.part, []byte("\r\n\r\n")) && !bytes.HasSuffix(c.part, []byte("\n\n")) {
		if err := c.readByte(); err != nil {
			return err
		}
	}
	c.record = c.recorder.begin(c.part)
	c.mu.Lock()
	c.queue = append(c.queue, c.record)
	c.mu.Unlock()
	c.pending, c.part = c.part, nil
	c.frame()
	return nil
}

// readByte appends one byte to part. When the connection ends in the middle of
// a head, what was sent of it is recorded.
func (c *http1) readByte() error {
	b, err := c.br.ReadByte()
	if err == nil {
		c.part = append(c.part, b)
		return nil
	}
	if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
		return err
	}
	if len(c.part) > 0 {
		c.recorder.begin(c.part)
		c.part = nil
	}
	return err
}

// frame chooses the step after a head.
func (c *http1) frame() {
	length, _ := strconv.ParseInt(c.record.Get("Content-Length"), 10, 64)
	switch {
	case strings.EqualFold(c.record.Get("Upgrade"), "websocket") || c.record.Method == "CONNECT":
		c.complete()
		c.step = c.raw
	case strings.Contains(strings.ToLower(c.record.Get("Transfer-Encoding")), "chunked"):
		c.step = c.chunkSize
	case length > 0:
		c.left, c.step = length, c.body
	default:
		c.complete()
		c.step = c.head
	}
}

func (c *http1) complete() { c.recorder.change(func() { c.record.Complete = true }) }

func (c *http1) body() error {
	if err := c.data(); err != nil {
		return err
	}
	if c.left == 0 {
		c.complete()
		c.step = c.head
	}
	return nil
}

func (c *http1) chunk() error {
	if err := c.data(); err != nil {
		return err
	}
	if c.left == 0 {
		c.step = c.chunkEnd
	}
	return nil
}

func (c *http1) data() error {
	b := make([]byte, min(c.left, 32<<10))
	n, err := c.br.Read(b)
	c.pending, c.left = b[:n], c.left-int64(n)
	c.recorder.change(func() { c.record.addBody(b[:n]) })
	if n > 0 {
		return nil
	}
	return err
}

func (c *http1) raw() error {
	b := make([]byte, 32<<10)
	n, err := c.br.Read(b)
	c.pending = b[:n]
	c.recorder.change(func() { c.record.addBody(b[:n]) })
	if n > 0 {
		return nil
	}
	return err
}

// line makes the next line pending and returns it.
func (c *http1) line() (string, error) {
	for !bytes.HasSuffix(c.part, []byte("\n")) {
		if err := c.readByte(); err != nil {
			return "", err
		}
	}
	c.pending, c.part = c.part, nil
	return string(bytes.TrimRight(c.pending, "\r\n")), nil
}

func (c *http1) chunkSize() error {
	line, err := c.line()
	if err != nil {
		return err
	}
	size, _, _ := strings.Cut(line, ";")
	c.left, _ = strconv.ParseInt(strings.TrimSpace(size), 16, 64)
	c.step = c.chunk
	if c.left <= 0 {
		c.step = c.trailer
	}
	return nil
}

func (c *http1) chunkEnd() error {
	c.step = c.chunkSize
	_, err := c.line()
	if err != nil {
		c.step = c.chunkEnd
	}
	return err
}

func (c *http1) trailer() error {
	line, err := c.line()
	if err != nil {
		return err
	}
	if f, ok := parseField(line); ok {
		c.recorder.change(func() { c.record.Trailers = append(c.record.Trailers, f) })
		return nil
	}
	c.complete()
	c.step = c.head
	return nil
}

// A recorder makes the records of one connection.
type recorder struct {
	lab    *Lab
	origin Record // what all of them have in common
}

func (r *recorder) begin(head []byte) *Record {
	record := r.origin
	record.Time = time.Now()
	record.parseHead(head)
	r.add(&record)
	return &record
}

func (r *recorder) add(record *Record) {
	r.change(func() { r.lab.records = append(r.lab.records, record) })
}

func (r *recorder) change(do func()) { r.lab.update(do) }

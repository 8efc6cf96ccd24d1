package proxy

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	// headTimeout bounds the time from a connection, or from the first byte
	// of a later request, to the end of the request's head.
	headTimeout = 10 * time.Second
	// idleTimeout is how long a connection may wait between requests.
	idleTimeout = 5 * time.Minute
)

// http1 serves HTTP/1 on one connection, the proxy port's or a tunnel's. It
// is strict where net/http.Server repairs.
type http1 struct {
	srv     *server
	client  *client   // the accepted connection at the bottom
	conn    net.Conn  // what is spoken on: TCP, or TLS over it
	socket  *pollable // below TLS, nil without it
	until   time.Time // when reading ends, zero for never or not known
	waiting func()    // boundWaiting, made once
	br      *bufio.Reader
	bw      *output
	idle    wire
	handle  func(w *response, r *http.Request)
	ctx     context.Context // of all exchanges: whoever is gone in one is gone for good
	cancel  context.CancelFunc
	watch   watch
	bare    bool // errors are answered without a word about who answers
	served  bool // a request's head was understood
}

// wire gives back the byte that was read while no buffer was held.
type wire struct {
	net.Conn
	first [1]byte
	held  bool
}

func (w *wire) Read(p []byte) (int, error) {
	if !w.held || len(p) == 0 {
		return w.Conn.Read(p)
	}
	w.held = false
	p[0] = w.first[0]
	if len(p) == 1 {
		return 1, nil
	}
	n, err := w.Conn.Read(p[1:]) // no head is one byte long
	return 1 + n, err
}

var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, maxLine) }}

func (h *http1) acquire() {
	if h.br == nil {
		h.idle.Conn = h.conn
		h.br = readers.Get().(*bufio.Reader)
		h.br.Reset(&h.idle)
		h.bw = newOutput(h.conn, h.socket)
	}
}

// release gives the buffers back: an idle connection holds none.
func (h *http1) release() {
	if h.br != nil {
		h.br.Reset(nil)
		readers.Put(h.br)
		h.bw.release()
		h.br, h.bw = nil, nil
	}
}

// serve handles requests until the connection ends or is taken over. first is
// the time the first request has.
func (h *http1) serve(first time.Duration) error {
	h.ctx, h.cancel = context.WithCancel(h.srv.ctx)
	h.watch.h = h
	h.waiting = h.boundWaiting
	defer h.cancel()
	defer h.release()
	for wait := first; ; wait = idleTimeout {
		r, lines, err := h.next(wait)
		if err != nil {
			return h.giveUp(err)
		}
		h.served = true
		if !h.exchange(r, lines) {
			return nil
		}
	}
}

var errClosing = errors.New("proxy is closing")

// next waits for a request and reads its head.
func (h *http1) next(wait time.Duration) (*http.Request, fields, error) {
	if err := h.await(wait); err != nil {
		return nil, nil, err
	}
	if h.br == nil || h.br.Buffered() == 0 {
		if !h.client.enter(phaseIdle) {
			return nil, nil, errClosing
		}
		h.release()
		if err := h.readFirst(); err != nil {
			return nil, nil, err
		}
		h.acquire()
	}
	if wait > headTimeout {
		if err := h.boundHead(); err != nil {
			return nil, nil, err
		}
	}
	r, lines, err := readHead(h.ctx, h.br)
	if err != nil {
		return nil, nil, err
	}
	h.client.enter(phaseActive)
	return r, lines, h.unbound()
}

// await bounds the time that reading takes: to wait, or a tenth less, which
// saves a busy connection from setting a timer for each request. Where the
// first byte was read to see what the client speaks, its time runs already.
func (h *http1) await(wait time.Duration) error {
	now := time.Now()
	if h.idle.held || h.until.After(now.Add(wait-wait/10)) && !h.until.After(now.Add(wait)) {
		return nil
	}
	return h.setUntil(now.Add(wait))
}

func (h *http1) setUntil(t time.Time) error {
	h.until = t
	return h.conn.SetReadDeadline(t)
}

// boundHead gives the rest of a head its time, which begins when that has to
// be waited for: a head is nearly always there in whole.
func (h *http1) boundHead() error {
	if h.socket == nil {
		return h.setUntil(time.Now().Add(headTimeout))
	}
	h.socket.waiting = h.waiting
	return nil
}

// boundWaiting begins the time of the rest of a head.
func (h *http1) boundWaiting() {
	h.socket.waiting = nil
	_ = h.setUntil(time.Now().Add(headTimeout))
}

// unbound ends the time of a head. That of waiting for one may stay: whoever
// reads on sets a time of his own.
func (h *http1) unbound() error {
	if h.socket == nil {
		return h.setUntil(time.Time{})
	}
	h.socket.waiting = nil
	return nil
}

// readFirst waits for the first byte of a request without holding a buffer.
func (h *http1) readFirst() error {
	if h.idle.held {
		return nil
	}
	_, err := io.ReadFull(h.conn, h.idle.first[:])
	h.idle.held = err == nil
	return err
}

// exchange has one request answered and reports whether another may follow.
func (h *http1) exchange(r *http.Request, lines fields) (more bool) {
	w := &response{h: h, r: r, sent: lines}
	w.body = newRequestBody(h, r, w)
	h.watch.start(w.body)
	complete := h.run(w, r)
	h.watch.stop()
	if !complete {
		h.client.abort()
	}
	// Whatever happened, nobody may read or write here any more when the
	// buffers are given back.
	read := w.body.finish()
	if r.ContentLength != 0 {
		h.until = time.Time{} // reading the body has set a time
	}
	switch {
	case w.taken || !complete:
		return false
	case read && !w.close && !h.srv.closing.Load():
		return true
	}
	h.linger()
	return false
}

// run calls the handler. An aborted response and a defect leave the response
// incomplete, and the client must see that.
func (h *http1) run(w *response, r *http.Request) (complete bool) {
	defer func() {
		if v := recover(); v != nil {
			complete = false
			h.srv.recovered(v)
		}
	}()
	h.handle(w, r)
	if !w.taken && !w.finish() {
		w.close = true
	}
	return true
}

// giveUp answers a request that was not understood, and ends the connection.
// It returns why the connection ended before its first request, or nil.
func (h *http1) giveUp(err error) error {
	e, ok := errors.AsType[*badRequest](err)
	if !ok && h.served {
		return nil
	}
	if !ok {
		return err
	}
	h.srv.report(Event{Kind: KindRefused, Host: h.client.route.host, Port: h.client.route.port, Status: e.status, Code: "bad_request", Reason: e.reason})
	w := &response{h: h, r: &http.Request{ProtoMinor: 1, Close: true}, header: make(http.Header)}
	w.body = &requestBody{ended: io.EOF}
	if h.bare {
		w.Header().Set("Content-Length", "0")
		w.WriteHeader(e.status)
	} else {
		refuse(w, &Refusal{Status: e.status, Code: "bad_request", Message: e.reason})
	}
	_ = h.bw.Flush()
	h.linger()
	return nil
}

// Limits of lingering.
const (
	lingerTime  = 500 * time.Millisecond
	lingerBytes = 256 << 10
)

// linger ends our half and reads what the client is still sending: closing a
// socket with unread bytes would reset it and destroy the answer on its way.
func (h *http1) linger() {
	if h.srv.closing.Load() || closeWrite(h.conn) != nil {
		return
	}
	if h.conn != h.client.Conn { // TLS ended; its connection has not
		_ = closeWrite(h.client.Conn)
	}
	if h.client.Conn.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
		_, _ = io.CopyN(io.Discard, h.client.Conn, lingerBytes)
	}
}

// closeWrite ends the writing half of a connection that has one.
func closeWrite(c io.Closer) error {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

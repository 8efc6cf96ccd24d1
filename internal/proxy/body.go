package proxy

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// bodyStall is how long a client may send nothing in the middle of a
	// body.
	bodyStall = 5 * time.Minute
	// continueAfter is how long an upstream has to answer a request's head
	// before a client that expects 100 is told to send the body anyway.
	continueAfter = time.Second
)

var (
	errBodyClosed = errors.New("request body is no longer read")
	longAgo       = time.Unix(1, 0)
)

// requestBody streams one HTTP/1 request body from the connection it came on.
// The upstream's goroutine reads it; the connection's own takes it back with
// finish.
type requestBody struct {
	h      *http1
	r      *http.Request
	w      *response
	closed atomic.Bool

	// For a client that expects 100 before it sends the body:
	proceed   chan struct{} // closed when the upstream says 100
	over      chan struct{} // closed by finish
	continued atomic.Bool   // the client was told

	mu    sync.Mutex // guards the rest, and the connection's reader
	src   io.Reader
	ended error // io.EOF, or why there is no more
}

// newRequestBody gives r its Body.
func newRequestBody(h *http1, r *http.Request, w *response) *requestBody {
	b := &requestBody{h: h, r: r, w: w}
	switch {
	case r.ContentLength < 0:
		b.src = &chunkedReader{br: h.br}
		r.Body = b
	case r.ContentLength > 0:
		b.src = &fixedReader{br: h.br, left: r.ContentLength}
		r.Body = b
	default:
		b.ended = io.EOF
		r.Body = http.NoBody
	}
	if expectsContinue(r) {
		b.proceed, b.over = make(chan struct{}), make(chan struct{})
	}
	return b
}

func (b *requestBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended != nil {
		return 0, b.ended
	}
	if b.proceed != nil && !b.continued.Load() {
		if err := b.await(); err != nil {
			return 0, b.end(err)
		}
	}
	if err := b.h.conn.SetReadDeadline(time.Now().Add(bodyStall)); err != nil {
		return 0, b.end(err)
	}
	if b.closed.Load() { // after the deadline is set, so that finish's wins
		return 0, b.end(errBodyClosed)
	}
	n, err := b.read(p)
	if err != nil {
		err = b.end(b.explain(err))
	}
	return n, err
}

func (b *requestBody) read(p []byte) (int, error) {
	if f, ok := b.src.(*fixedReader); ok {
		return f.gather(b.h.socket, p)
	}
	return b.src.Read(p)
}

// explain tells what is the client's fault from what ended the connection.
func (b *requestBody) explain(err error) error {
	_, isBad := errors.AsType[*badRequest](err)
	switch {
	case isBad, errors.Is(err, io.EOF):
		return err
	case b.closed.Load():
		return errBodyClosed
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &badRequest{http.StatusRequestTimeout, "body that does not go on"}
	case errors.Is(err, io.ErrUnexpectedEOF):
		return bad("body that ends too early")
	}
	return errClientGone
}

// await holds the body back until the upstream wants it, or says nothing for a
// while. A request that is answered without it never gets it: then the client
// must not be told to send it.
func (b *requestBody) await() error {
	timer := time.NewTimer(continueAfter)
	defer timer.Stop()
	select {
	case <-b.proceed:
	case <-timer.C:
	case <-b.over:
		return errBodyClosed
	}
	told, err := b.w.sendContinue()
	if !told && err == nil {
		<-b.over // an error now would cost the upstream's answer
		return errBodyClosed
	}
	b.continued.Store(told)
	return err
}

// end notes that there is no more, and hands over the announced trailer
// fields.
func (b *requestBody) end(err error) error {
	b.ended = err
	if c, ok := b.src.(*chunkedReader); ok && errors.Is(err, io.EOF) {
		for name := range b.r.Trailer {
			b.r.Trailer[name] = c.trailer[name]
		}
	}
	return err
}

// Close ends the body for its reader, in the middle of a read as well.
func (b *requestBody) Close() error {
	b.finish()
	return nil
}

// finish takes the connection's reader back and reports whether the body was
// read to its end, so that another request can follow.
func (b *requestBody) finish() bool {
	if !b.closed.Swap(true) && b.over != nil {
		close(b.over)
	}
	if !b.mu.TryLock() {
		_ = b.h.conn.SetReadDeadline(longAgo)
		b.mu.Lock()
	}
	defer b.mu.Unlock()
	if b.ended == nil {
		b.ended = errBodyClosed
	}
	return errors.Is(b.ended, io.EOF)
}

// whole reports whether the body was read to its end.
func (b *requestBody) whole() bool {
	if !b.mu.TryLock() {
		return false
	}
	defer b.mu.Unlock()
	return errors.Is(b.ended, io.EOF)
}

// atEnd reports whether nobody will read the connection for this body again.
func (b *requestBody) atEnd() bool {
	if !b.mu.TryLock() {
		return false
	}
	defer b.mu.Unlock()
	return b.ended != nil
}

// fixedReader reads exactly left bytes.
type fixedReader struct {
	br   *bufio.Reader
	left int64
}

func (f *fixedReader) Read(p []byte) (int, error) {
	if int64(len(p)) > f.left {
		p = p[:f.left]
	}
	n, err := f.br.Read(p)
	f.left -= int64(n)
	switch {
	case f.left == 0:
		return n, io.EOF
	case err != nil:
		return n, cut(err)
	}
	return n, nil
}

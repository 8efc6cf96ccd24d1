package proxy

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// bodyStall is how long a client may send nothing in the middle of a body.
const bodyStall = 5 * time.Minute

var (
	errBodyClosed = errors.New("request body is no longer read")
	longAgo       = time.Unix(1, 0)
)

// requestBody streams one HTTP/1 request body from the connection it came on.
// The upstream's goroutine reads it; the connection's own takes it back with
// finish.
type requestBody struct {
	h       *http1
	r       *http.Request
	w       *response
	closed  atomic.Bool
	started atomic.Bool

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
	return b
}

func (b *requestBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended != nil {
		return 0, b.ended
	}
	if !b.started.Swap(true) && expectsContinue(b.r) {
		b.w.sendContinue()
	}
	if err := b.h.conn.SetReadDeadline(time.Now().Add(bodyStall)); err != nil {
		return 0, b.end(err)
	}
	if b.closed.Load() { // after the deadline is set, so that finish's wins
		return 0, b.end(errBodyClosed)
	}
	n, err := b.src.Read(p)
	if err != nil {
		err = b.end(err)
	}
	return n, err
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

// Close is for the reader: it has no further interest.
func (b *requestBody) Close() error { return nil }

// finish takes the connection's reader back and reports whether the body was
// read to its end, so that another request can follow.
func (b *requestBody) finish() bool {
	if !b.mu.TryLock() {
		b.closed.Store(true)
		_ = b.h.conn.SetReadDeadline(longAgo)
		b.mu.Lock()
	}
	defer b.mu.Unlock()
	if b.ended == nil {
		b.ended = errBodyClosed
	}
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

// refused is the error in the client's own framing that ended the body, if
// one did.
func (b *requestBody) refused() *badRequest {
	b.mu.Lock()
	defer b.mu.Unlock()
	e, _ := errors.AsType[*badRequest](b.ended)
	return e
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

package proxy

import (
	"errors"
	"io"
	"os"
	"sync"
	"time"
)

const (
	// watchAfter is how long an exchange goes on before the proxy begins to
	// look whether the client is still there.
	watchAfter = 200 * time.Millisecond
	// watchAgain is how often it looks after a client that has ended its own
	// half.
	watchAgain = time.Second
)

// watch cancels the exchanges of a connection whose client is gone, however
// long the upstream stays silent. A client that ends its own half after the
// request is still there as long as a process holds its socket.
type watch struct {
	h     *http1
	timer *time.Timer // nil before the first exchange

	mu      sync.Mutex    // guards the rest
	body    *requestBody  // of the exchange, nil between two
	looking chan struct{} // closed when the look that goes on is over
	looked  bool          // there was a look, which takes back the time of reading
}

// start begins to watch over an exchange.
func (w *watch) start(body *requestBody) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.body = body
	if w.timer == nil {
		w.timer = time.AfterFunc(watchAfter, w.look)
		return
	}
	w.timer.Reset(watchAfter)
}

// look waits for the client's next byte. It must not while the body is still
// being read.
func (w *watch) look() {
	w.mu.Lock()
	if w.body == nil || w.looking != nil {
		w.mu.Unlock()
		return
	}
	if !w.body.atEnd() {
		w.timer.Reset(watchAfter)
		w.mu.Unlock()
		return
	}
	looking := make(chan struct{})
	w.looking, w.looked = looking, true
	_ = w.h.conn.SetReadDeadline(time.Time{}) // before stop sets its own
	w.mu.Unlock()
	_, err := w.h.br.Peek(1)
	switch {
	case err == nil, errors.Is(err, os.ErrDeadlineExceeded): // the next request, or stop
	case !errors.Is(err, io.EOF):
		w.h.cancel()
	case w.h.srv.clientGone(w.h.client):
		w.h.cancel()
	default:
		defer w.again(looking)
	}
	close(looking)
}

// again comes back to a client that has ended its half.
func (w *watch) again(looked chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.body != nil && w.looking == looked {
		w.looking = nil
		w.timer.Reset(watchAgain)
	}
}

// stop ends the watch; the connection's reader is free when it returns. It
// may be called twice.
func (w *watch) stop() {
	w.mu.Lock()
	looking := w.looking
	w.body, w.looking = nil, nil
	if w.timer != nil {
		w.timer.Stop()
	}
	if w.looked {
		w.h.until, w.looked = time.Time{}, false
	}
	w.mu.Unlock()
	if looking != nil {
		_ = w.h.conn.SetReadDeadline(longAgo)
		<-looking
		_ = w.h.conn.SetReadDeadline(time.Time{})
	}
}

// clientGone is for a client whose stream has ended.
func (s *server) clientGone(c *client) bool {
	id := s.identity.Load()
	return id != nil && id.gone(c.Conn)
}

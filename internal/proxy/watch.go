package proxy

import (
	"errors"
	"io"
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

// watch cancels an exchange whose client is gone, however long the upstream
// stays silent. A client that ends its own half after the request is still
// there as long as a process holds its socket.
type watch struct {
	h      *http1
	body   *requestBody
	cancel func()
	timer  *time.Timer

	mu      sync.Mutex // guards the rest
	stopped bool
	looking chan struct{} // closed when the look that goes on is over
}

func newWatch(h *http1, body *requestBody, cancel func()) *watch {
	w := &watch{h: h, body: body, cancel: cancel}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer = time.AfterFunc(watchAfter, w.look)
	return w
}

// look waits for the client's next byte. It must not while the body is still
// being read.
func (w *watch) look() {
	w.mu.Lock()
	if w.stopped {
		w.mu.Unlock()
		return
	}
	if !w.body.atEnd() {
		w.timer.Reset(watchAfter)
		w.mu.Unlock()
		return
	}
	done := make(chan struct{})
	defer close(done)
	w.looking = done
	w.mu.Unlock()
	_, err := w.h.br.Peek(1)
	switch {
	case err == nil: // the next request
	case !errors.Is(err, io.EOF):
		w.cancel()
	case w.h.srv.clientGone(w.h.client):
		w.cancel()
	default:
		w.again()
	}
}

func (w *watch) again() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.stopped {
		w.timer.Reset(watchAgain)
	}
}

// stop ends the watch; the connection's reader is free when it returns. It
// may be called twice.
func (w *watch) stop() {
	w.mu.Lock()
	looking := w.looking
	w.stopped, w.looking = true, nil
	w.timer.Stop()
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

package proxy

import (
	"bufio"
	"errors"
	"net"
	"os"
	"slices"
	"time"
)

// Limits of idle connections. There are many for a host, because handshakes
// cost more than memory.
const (
	maxIdlePerHost = 256
	maxIdleInAll   = 1024
	maxIdle        = 90 * time.Second
)

// upstreamConn is one HTTP/1.1 connection to a server. It belongs to one
// exchange at a time, or is idle in its pool.
type upstreamConn struct {
	net.Conn // TLS, or the socket itself
	socket   *pollable
	pool     *upstream
	br       *bufio.Reader // nil while idle
	reused   bool          // it has carried a response
	since    time.Time     // when it became idle
	one      [1]byte
}

// get takes a connection from the pool, the one that was used last. It returns
// nil when none is alive. With held, the request's own write finds out whether
// it is, where that can be.
func (p *upstream) get(held bool) *upstreamConn {
	for {
		c := p.pop()
		if c == nil || held && c.socket.hold() || c.quiet() {
			return c
		}
		_ = c.Close()
	}
}

func (p *upstream) pop() *upstreamConn {
	p.all.mu.Lock()
	defer p.all.mu.Unlock()
	last := len(p.idle) - 1
	if last < 0 {
		return nil
	}
	c := p.idle[last]
	p.idle[last] = nil
	p.idle = p.idle[:last]
	p.all.idle--
	return c
}

// quiet reports whether the server has neither spoken nor ended since its last
// response. What it says unasked could be taken for the next one.
func (c *upstreamConn) quiet() bool {
	c.socket.polling = true
	n, err := c.Read(c.one[:])
	c.socket.polling = false
	return n == 0 && errors.Is(err, os.ErrDeadlineExceeded)
}

// acquire gives the connection a buffer for one response.
func (c *upstreamConn) acquire() {
	if c.br == nil {
		c.br = readers.Get().(*bufio.Reader)
		c.br.Reset(c.Conn)
	}
}

// release ends the exchange. The connection goes back to its pool when reuse
// is set and nothing came behind the response; else it is closed.
func (c *upstreamConn) release(reuse bool) {
	reuse = reuse && c.br.Buffered() == 0
	if reuse {
		_, err := c.br.Read(nil) // an error that came with the last byte
		reuse = err == nil
	}
	c.br.Reset(nil)
	readers.Put(c.br)
	c.br, c.socket.waiting = nil, nil
	if !reuse || !c.pool.put(c) {
		_ = c.Close()
	}
}

// put reports whether the pool keeps c.
func (p *upstream) put(c *upstreamConn) bool {
	u := p.all
	u.mu.Lock()
	defer u.mu.Unlock()
	if p.gone || u.closed || len(p.idle) >= maxIdlePerHost {
		return false
	}
	if u.idle >= maxIdleInAll {
		u.closeOldest()
	}
	c.reused, c.since = true, time.Now()
	p.idle = append(p.idle, c)
	u.idle++
	if u.timer == nil {
		u.timer = time.AfterFunc(maxIdle, u.sweep)
	}
	return true
}

// closeOldest makes room for one idle connection.
func (u *upstreams) closeOldest() {
	var oldest *upstream
	for _, p := range u.pools {
		if len(p.idle) > 0 && (oldest == nil || p.idle[0].since.Before(oldest.idle[0].since)) {
			oldest = p
		}
	}
	if oldest != nil {
		u.closeFirst(oldest, 1)
	}
}

// closeFirst closes the n connections of p that have been idle longest.
func (u *upstreams) closeFirst(p *upstream, n int) {
	for _, c := range p.idle[:n] {
		_ = c.Close()
	}
	p.idle = slices.Delete(p.idle, 0, n)
	u.idle -= n
}

// sweep closes what has been idle too long, and comes again for the rest.
func (u *upstreams) sweep() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.timer = nil
	if u.closed {
		return
	}
	next, found := time.Now().Add(maxIdle), false
	for _, p := range u.pools {
		n := 0
		for n < len(p.idle) && time.Since(p.idle[n].since) >= maxIdle {
			n++
		}
		u.closeFirst(p, n)
		if len(p.idle) > 0 && p.idle[0].since.Add(maxIdle).Before(next) {
			next = p.idle[0].since.Add(maxIdle)
		}
		found = found || len(p.idle) > 0
	}
	if found {
		u.timer = time.AfterFunc(time.Until(next), u.sweep)
	}
}

// drop closes a pool: what is idle now, the rest after its exchange.
func (u *upstreams) drop(p *upstream) {
	delete(u.pools, p.key)
	p.gone = true
	u.closeFirst(p, len(p.idle))
	if p.http2 != nil {
		p.http2.close()
	}
}

// close ends all pools.
func (u *upstreams) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.closed = true
	if u.timer != nil {
		u.timer.Stop()
	}
	for _, p := range u.pools {
		u.drop(p)
	}
}

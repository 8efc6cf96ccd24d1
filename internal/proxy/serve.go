package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// drainTime is what responses in flight get when the proxy closes.
	drainTime = 2 * time.Second
	// tunnelTime is what blind tunnels get: enough to push what the kernel
	// holds, for nobody can see whether they are in use.
	tunnelTime = 200 * time.Millisecond
)

// Listen opens the proxy's port on a loopback address, and finds out whether
// clients need the password.
func (p *Proxy) Listen(ctx context.Context, address string) (net.Listener, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	if err := p.bind(l); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// bind takes note of the listener.
func (p *Proxy) bind(l net.Listener) error {
	a, ok := l.Addr().(*net.TCPAddr)
	if !ok || !a.IP.IsLoopback() {
		return fmt.Errorf("listen on %s: not a loopback address", l.Addr())
	}
	if p.addr.Swap(a) != nil {
		return nil
	}
	if p.Peer == nil && p.identity.Load() == nil {
		p.identity.Store(identify(l))
	}
	if p.NeedsPassword() && p.Password == "" {
		p.Password = newPassword()
	}
	return nil
}

// Addr is the address the proxy listens on, nil before Listen.
func (p *Proxy) Addr() net.Addr {
	if a := p.addr.Load(); a != nil {
		return a
	}
	return nil
}

// URL is what clients are told: http://ADDRESS, with the password where it is
// needed and then a secret. Nil before Listen.
func (p *Proxy) URL() *url.URL {
	a := p.addr.Load()
	if a == nil {
		return nil
	}
	u := &url.URL{Scheme: "http", Host: a.String()}
	if p.NeedsPassword() {
		u.User = url.UserPassword("authsome", p.Password)
	}
	return u
}

// Serve accepts connections from l, a loopback listener, until ctx ends. Then
// it closes l, gives responses in flight 2 s, and returns nil when every
// goroutine it started is gone. An error is the listener's own.
func (p *Proxy) Serve(ctx context.Context, l net.Listener) error {
	if err := p.bind(l); err != nil {
		return err
	}
	return newServer(ctx, p).run(ctx, l)
}

func (s *server) run(ctx context.Context, l net.Listener) error {
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	err := s.accept(ctx, l)
	stop()
	_ = l.Close()
	s.shutdown()
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// server is one run of Serve.
type server struct {
	*Proxy
	ctx     context.Context // ends when the drain time is over
	kill    context.CancelFunc
	closing atomic.Bool
	group   sync.WaitGroup
	http2   http2Server

	resolver  *net.Resolver
	upstreams *upstreams
	matchers  matchers

	mu      sync.Mutex // guards what follows
	clients map[*client]struct{}
	hosts   map[string]*interceptedHost
}

func newServer(ctx context.Context, p *Proxy) *server {
	s := &server{
		Proxy:   p,
		clients: make(map[*client]struct{}),
		hosts:   make(map[string]*interceptedHost),
	}
	s.ctx, s.kill = context.WithCancel(context.WithoutCancel(ctx))
	s.http2 = newHTTP2Server()
	// Go's own resolver: the C library takes 127.1 and 2130706433 for addresses.
	s.resolver = &net.Resolver{PreferGo: true}
	s.upstreams = newUpstreams(s)
	return s
}

// accept serves connections until l is closed. It leaves each of them a
// descriptor for its upstream: who comes when there is none waits in the
// listener's queue, and the connections there are go on.
func (s *server) accept(ctx context.Context, l net.Listener) error {
	slots := make(chan struct{}, maxClients())
	var pause time.Duration
	for {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		c, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return err
			}
			<-slots
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			s.debug("accept", "err", err, "pause", pause)
			select {
			case <-time.After(pause):
			case <-ctx.Done():
			}
			continue
		}
		pause = 0
		s.group.Go(func() {
			defer func() { <-slots }()
			s.serve(c)
		})
	}
}

// serve handles one accepted connection to its end.
func (s *server) serve(conn net.Conn) {
	defer conn.Close()
	defer func() {
		if v := recover(); v != nil {
			s.recovered(v)
		}
	}()
	c := s.welcome(conn)
	if c == nil {
		return
	}
	defer s.remove(c)
	s.sniff(c)
	if next := c.next; next != nil {
		c.next = nil
		next()
	}
}

// welcome returns the client at the other end, nil when it is not to be served.
func (s *server) welcome(conn net.Conn) *client {
	if err := s.checkPeer(conn); err != nil {
		s.report(Event{Kind: KindPeer, Reason: err.Error()})
		return nil
	}
	c := &client{srv: s, Conn: conn}
	if !s.add(c) {
		return nil
	}
	return c
}

// checkPeer is done before anything is read.
func (s *server) checkPeer(conn net.Conn) error {
	if s.Peer != nil {
		return s.Peer(conn)
	}
	return s.identity.Load().check(conn)
}

// shutdown ends every connection: idle ones at once, tunnels soon, those with
// a response in flight when it is complete or the drain time is over.
func (s *server) shutdown() {
	s.closing.Store(true)
	s.closeClients(phaseIdle)
	expired, cancel := context.WithCancel(s.ctx)
	cancel()
	_ = s.http2.base.Shutdown(expired) // tells HTTP/2 connections to end; waits for nothing
	tunnels := time.AfterFunc(tunnelTime, func() { s.closeClients(phaseTunnel) })
	all := time.AfterFunc(drainTime, func() {
		s.kill()
		s.closeClients(phaseIdle, phaseTunnel, phaseActive)
	})
	s.group.Wait()
	tunnels.Stop()
	all.Stop()
	s.kill()
	s.upstreams.close()
}

func (s *server) closeClients(phases ...phase) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.clients {
		for _, p := range phases {
			if phase(c.phase.Load()) == p {
				_ = c.Conn.Close()
			}
		}
	}
}

func (s *server) add(c *client) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing.Load() {
		return false
	}
	s.clients[c] = struct{}{}
	return true
}

func (s *server) remove(c *client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.clients, c)
}

// client is one accepted connection.
type client struct {
	net.Conn
	srv    *server
	phase  atomic.Int32
	route  authority // of a tunnel
	socket *pollable // below TLS that ends here, nil elsewhere
	agent  string    // User-Agent of a CONNECT

	// next serves what a CONNECT or its like has led to. It is called when all
	// that led there has returned: an idle tunnel keeps neither that nor its
	// stack.
	next func()
}

type phase int32

const (
	phaseIdle   phase = iota // between requests: may be closed at any time
	phaseActive              // a request is being answered
	phaseTunnel              // bytes are copied blindly
)

// enter notes what the connection does. It reports false when an idle
// connection has no future.
func (c *client) enter(p phase) bool {
	c.phase.Store(int32(p))
	return p != phaseIdle || !c.srv.closing.Load()
}

// abort ends the connection so that the peer can't take what it got for
// complete.
func (c *client) abort() {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Conn.Close()
}

// report hands e to whoever listens.
func (s *server) report(e Event) {
	s.debug("event", "kind", e.Kind, "host", e.Host, "status", e.Status, "code", e.Code, "reason", e.Reason)
	if s.Report != nil {
		s.Report(e)
	}
}

func (s *server) debug(message string, args ...any) {
	if s.Log != nil {
		s.Log.Debug(message, args...)
	}
}

// recovered reports a defect: where it happened, but not the panic's value,
// which could hold anything.
func (s *server) recovered(v any) {
	if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		return
	}
	s.report(Event{Kind: KindPanic, Reason: fmt.Sprintf("internal error (%T)", v)})
	if s.Log != nil {
		s.Log.Error("panic", "type", fmt.Sprintf("%T", v), "stack", string(debug.Stack()))
	}
}

package proxy

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
)

const established = "HTTP/1.1 200 Connection established\r\n\r\n"

// serveProxy speaks HTTP to a client of the proxy port. first is the byte that
// was read to see that.
func (s *server) serveProxy(c *client, first byte) {
	h := &http1{srv: s, client: c, conn: c.Conn, bare: true}
	h.handle = s.handleProxy
	h.idle.first[0], h.idle.held = first, true
	_ = h.serve(headTimeout) // who never asked for anything needs no answer
}

// handleProxy answers one request on the proxy port: CONNECT, or a target in
// absolute form.
func (s *server) handleProxy(w *response, r *http.Request) {
	switch {
	case !s.admits(r):
		w.Header().Set("Proxy-Authenticate", `Basic realm="authsome", charset="UTF-8"`)
		w.Header().Set("Content-Length", "0")
		w.close = r.ContentLength != 0
		w.WriteHeader(http.StatusProxyAuthRequired)
	case r.Method == http.MethodConnect:
		s.connect(w, r)
	case strings.Contains(r.RequestURI, "://"):
		s.absolute(w, r)
	default:
		w.Header().Set("Content-Length", "0")
		w.close = true
		w.WriteHeader(http.StatusBadRequest)
	}
}

// connect answers a CONNECT: with a refusal, with a blind tunnel, or with TLS
// of our own.
func (s *server) connect(w *response, r *http.Request) {
	w.close = true // whatever follows a refused CONNECT is no HTTP for us
	to, err := parseAuthority(r.RequestURI, 0)
	if err == nil && r.ContentLength != 0 {
		err = bad("CONNECT with a body")
	}
	if err != nil {
		s.refuseRequest(w, r, authority{}, &Refusal{Status: http.StatusBadRequest, Code: "bad_target", Message: "CONNECT target: " + err.Error()})
		return
	}
	w.h.client.agent = r.UserAgent()
	s.open(r.Context(), w.h.client, to, opening{
		method: http.MethodConnect,
		accept: func() ([]byte, error) {
			early := w.take()
			_, err := io.WriteString(w.h.conn, established)
			return early, err
		},
		refuse: func(refusal *Refusal) { refuse(w, refusal) },
	})
}

// claims reports whether to is intercepted.
func (s *server) claims(to authority) bool {
	return s.Claims != nil && Interceptable(to.host) && s.Claims(to.host, to.port)
}

// opening is a client's wish to be connected to a host, in whatever protocol
// it was said.
type opening struct {
	method string                           // what reports call it
	accept func() (early []byte, err error) // says yes; early is what the client sent before
	refuse func(*Refusal)                   // says no
}

// open connects a client to a host: with TLS of our own where the host is
// claimed, blindly elsewhere.
func (s *server) open(ctx context.Context, c *client, to authority, o opening) {
	c.route = to
	if s.claims(to) {
		s.openIntercepted(c, to, o)
		return
	}
	s.openBlind(ctx, c, to, o)
}

func (s *server) openIntercepted(c *client, to authority, o opening) {
	host, err := s.intercepted(to.host)
	if err != nil {
		s.refuseOpening(KindRefused, to, o, asRefusal(err, http.StatusBadGateway, "certificate"))
		return
	}
	early, err := o.accept()
	if err != nil {
		return
	}
	c.socket = newPollable(c.Conn)
	c.next = func() { s.intercept(c, withEarly(c.socket, early), to, host) }
}

func (s *server) openBlind(ctx context.Context, c *client, to authority, o opening) {
	if s.Admit != nil {
		if err := s.Admit(to.host, to.port, "https"); err != nil {
			s.refuseOpening(KindRefused, to, o, asRefusal(err, http.StatusForbidden, "not_admitted"))
			return
		}
	}
	upstream, err := s.dial(ctx, to, "https", blindly)
	if err != nil {
		if refusal := s.explain(err); refusal != nil {
			s.refuseOpening(KindUpstream, to, o, refusal)
		}
		return
	}
	defer upstream.Close()
	early, err := o.accept()
	if err != nil {
		return
	}
	if _, err := upstream.Write(early); err != nil {
		return
	}
	c.enter(phaseTunnel)
	tunnel(c.Conn, upstream)
}

func (s *server) refuseOpening(kind Kind, to authority, o opening, refusal *Refusal) {
	s.report(Event{
		Kind: kind, Host: to.host, Port: to.port, Method: o.method,
		Status: refusal.Status, Code: refusal.Code, Reason: refusal.Message,
	})
	o.refuse(refusal)
}

// tunnel copies both ways until both ends have ended. The connections are
// bare, so that the kernel moves the bytes (splice(2)) where it can.
func tunnel(child, upstream net.Conn) {
	var group sync.WaitGroup
	group.Go(func() { copyHalf(upstream, child) })
	copyHalf(child, upstream)
	group.Wait()
}

// copyHalf passes one direction on, and its end. A failure ends both.
func copyHalf(to, from net.Conn) {
	_, err := io.Copy(to, from)
	endHalf(to, from, err)
}

// endHalf is for a direction that has ended, with err if it failed.
func endHalf(to, from io.Closer, err error) {
	if err != nil || closeWrite(to) != nil {
		_ = to.Close()
		_ = from.Close()
	}
}

// earlyConn gives bytes that were read before the connection was handed over.
type earlyConn struct {
	net.Conn
	early []byte
}

func withEarly(c net.Conn, early []byte) net.Conn {
	if len(early) == 0 {
		return c
	}
	return &earlyConn{Conn: c, early: early}
}

func (c *earlyConn) Read(p []byte) (int, error) {
	if len(c.early) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.early)
	c.early = c.early[n:]
	return n, nil
}

func (c *earlyConn) CloseWrite() error { return closeWrite(c.Conn) }

// refuseRequest answers with refusal and reports it. An HTTP/1 connection
// that carried such a request carries no other.
func (s *server) refuseRequest(w http.ResponseWriter, r *http.Request, to authority, refusal *Refusal) {
	s.reportRefusal(KindRefused, r, to, refusal)
	if w1, ok := w.(*response); ok {
		w1.close = true
	}
	refuse(w, refusal)
}

func (s *server) refuseUpstream(w http.ResponseWriter, r *http.Request, to authority, refusal *Refusal) {
	s.reportRefusal(KindUpstream, r, to, refusal)
	refuse(w, refusal)
}

func (s *server) reportRefusal(kind Kind, r *http.Request, to authority, refusal *Refusal) {
	path := ""
	if r.Method != http.MethodConnect {
		if t, err := parseTarget(r.RequestURI); err == nil {
			path = t.path
		}
	}
	s.report(Event{
		Kind: kind, Host: to.host, Port: to.port, Method: r.Method, Path: path,
		Status: refusal.Status, Code: refusal.Code, Reason: refusal.Message,
	})
}

//go:build linux

package conformance_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// listen opens a port of 127.0.0.1 until the test ends.
func listen(t *testing.T) (ln net.Listener, port string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	_, port, err = net.SplitHostPort(ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return ln, port
}

// adapt serves clients that know no proxy: it leads each connection that comes
// to ln through a CONNECT tunnel of the session to target, until the test ends.
// With a configuration it also speaks TLS inside the tunnel, for a client that
// can't.
func (s *session) adapt(t *testing.T, ln net.Listener, target string, config *tls.Config) {
	t.Helper()
	serveEach(t, ln, func(conn net.Conn) { s.adaptConn(conn, target, config) })
}

// serveEach serves the connections that come to ln until the test ends.
func serveEach(t *testing.T, ln net.Listener, serve func(net.Conn)) {
	t.Helper()
	var group sync.WaitGroup
	t.Cleanup(func() { _ = ln.Close(); group.Wait() })
	group.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			group.Go(func() { serve(conn) })
		}
	})
}

// adaptConn serves one connection to its end. A tunnel that is refused is a
// connection that is closed.
func (s *session) adaptConn(conn net.Conn, target string, config *tls.Config) {
	defer conn.Close()
	tunnel, err := s.dial(target)
	if err != nil {
		return
	}
	defer tunnel.Close()
	if config != nil {
		secured := tls.Client(tunnel, config)
		if secured.Handshake() != nil {
			return
		}
		tunnel = secured
	}
	var group sync.WaitGroup
	group.Go(func() { pass(tunnel, conn) })
	pass(conn, tunnel)
	group.Wait()
}

// pass copies one direction, and its end.
func pass(to, from net.Conn) {
	_, err := io.Copy(to, from)
	if half, ok := to.(interface{ CloseWrite() error }); err == nil && ok && half.CloseWrite() == nil {
		return
	}
	_ = to.Close()
	_ = from.Close()
}

// dial opens a CONNECT tunnel.
func (s *session) dial(target string) (net.Conn, error) {
	conn, err := net.Dial("tcp", s.proxy)
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	_, _ = fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", target, target)
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: http.MethodConnect})
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("CONNECT %s: %s", target, resp.Status)
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, conn.SetDeadline(time.Time{}) // nobody speaks before the client does
}

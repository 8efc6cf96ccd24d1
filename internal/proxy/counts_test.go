package proxy

import (
	"crypto/tls"
	"net"
	"runtime"
	"testing"
)

// TestCounts are costs that can be counted, and so hold on any machine.
func TestCounts(t *testing.T) {
	t.Run("new_tunnels", countNewTunnels)
	t.Run("idle_tunnels", countIdleTunnels)
	t.Run("blind_tunnels", countBlindTunnels)
}

// countNewTunnels: after the first tunnel to a host, the next open no
// connection upstream and resume a session.
func countNewTunnels(t *testing.T) {
	const tunnels = 100
	resumed := 0
	l := newLab(t, nil)
	u := l.raw("alpha.test:443", nil, nil)
	sessions := tls.NewLRUClientSessionCache(4)
	for range tunnels {
		c, err := l.secure(l.connect("alpha.test:443"), &tls.Config{ServerName: "alpha.test", ClientSessionCache: sessions})
		must(t, err)
		c.say("GET / HTTP/1.1\nHost: alpha.test\n\n")
		if a := c.answer("GET"); a.StatusCode != 200 {
			t.Fatalf("%d %s", a.StatusCode, a.body)
		}
		if c.Conn.(*tls.Conn).ConnectionState().DidResume {
			resumed++
		}
		must(t, c.Close())
	}
	if u.connections() != 1 || resumed != tunnels-1 {
		t.Errorf("%d tunnels: %d connections upstream, %d sessions resumed", tunnels, u.connections(), resumed)
	}
}

func (u *rawServer) connections() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.conns
}

// countIdleTunnels: an intercepted tunnel that waits for its next request
// costs one goroutine and nothing upstream.
func countIdleTunnels(t *testing.T) {
	const tunnels = 100
	l := newLab(t, nil)
	l.raw("alpha.test:443", nil, nil)
	before := 0
	for i := range 1 + tunnels {
		c := l.tunnel("alpha.test")
		c.say("GET / HTTP/1.1\nHost: alpha.test\n\n")
		c.answer("GET")
		if i == 0 {
			before = runtime.NumGoroutine()
		}
	}
	if added := runtime.NumGoroutine() - before; added > tunnels {
		t.Errorf("%d goroutines for %d tunnels", added, tunnels)
	}
}

// countBlindTunnels: a blind tunnel costs two goroutines.
func countBlindTunnels(t *testing.T) {
	const tunnels = 100
	l := newLab(t, func(_ *lab, p *Proxy) { p.Parent = nil })
	upstream := l.listen()
	before := runtime.NumGoroutine()
	for range tunnels {
		c := l.connect(upstream.Addr().String())
		conn, err := upstream.Accept()
		must(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		sayHello(t, conn, c) // it is a tunnel by now
	}
	if added := runtime.NumGoroutine() - before; added > 2*tunnels {
		t.Errorf("%d goroutines for %d tunnels", added, tunnels)
	}
}

func sayHello(t *testing.T, from net.Conn, to *child) {
	t.Helper()
	_, err := from.Write([]byte("!"))
	must(t, err)
	if b, err := to.br.ReadByte(); err != nil || b != '!' {
		t.Fatalf("%q %v", b, err)
	}
}

package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// inBubble runs a proxy connection over a pipe, in time that does not pass by
// itself.
func inBubble(t *testing.T, client func(t *testing.T, conn net.Conn, run *certifier)) {
	run := newCertifier(t, "run")
	leaf := run.leaf(nil, "alpha.test")
	leaf.Leaf = nil
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t.Context(), &Proxy{
			Claims: func(string, uint16) bool { return true },
			Leaf:   func(string) (*tls.Certificate, error) { return leaf, nil },
			Peer:   func(net.Conn) error { return nil },
			Authorize: func(ctx context.Context, _ *http.Request) (Grant, error) {
				select {
				case <-time.After(2 * idleTimeout):
				case <-ctx.Done():
				}
				return Grant{}, &Refusal{Status: http.StatusForbidden, Code: "slow"}
			},
		})
		ours, theirs := net.Pipe()
		done := make(chan struct{})
		go func() { defer close(done); s.serve(resetConn{ours}) }()
		client(t, theirs, run)
		_ = theirs.Close()
		begin := time.Now()
		if <-done; time.Since(begin) > time.Second {
			t.Errorf("went on for %v without a client", time.Since(begin))
		}
		s.kill()
	})
}

// resetConn ends with a reset: a client that has only ended its own half may
// still wait for its answer.
type resetConn struct{ net.Conn }

func (c resetConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if errors.Is(err, io.EOF) {
		err = syscall.ECONNRESET
	}
	return n, err
}

// lasts reads until the proxy ends the connection, and returns how long that
// took.
func lasts(conn net.Conn) time.Duration {
	begin := time.Now()
	_, _ = io.Copy(io.Discard, conn)
	return time.Since(begin)
}

func TestTimeouts(t *testing.T) {
	t.Run("silent", func(t *testing.T) {
		inBubble(t, func(t *testing.T, conn net.Conn, _ *certifier) {
			if took := lasts(conn); took != headTimeout {
				t.Errorf("ended after %v", took)
			}
		})
	})
	t.Run("H023_slow_head", func(t *testing.T) {
		inBubble(t, func(t *testing.T, conn net.Conn, _ *certifier) {
			var group sync.WaitGroup
			defer group.Wait()
			defer conn.Close()
			group.Go(func() {
				for _, b := range []byte("GET http://alpha.test/ HTTP/1.1\r\n") {
					if _, err := conn.Write([]byte{b}); err != nil {
						return
					}
					time.Sleep(5 * time.Second)
				}
			})
			if took := lasts(conn); took != headTimeout {
				t.Errorf("ended after %v", took)
			}
		})
	})
	t.Run("T009_stalled_handshake", func(t *testing.T) {
		inBubble(t, func(t *testing.T, conn net.Conn, _ *certifier) {
			connectPipe(t, conn)
			_, err := conn.Write([]byte{0x16, 3, 1, 2, 0, 1})
			must(t, err)
			if took := lasts(conn); took != handshakeTimeout {
				t.Errorf("ended after %v", took)
			}
		})
	})
	t.Run("idle_tunnel", func(t *testing.T) {
		inBubble(t, func(t *testing.T, conn net.Conn, run *certifier) {
			connectPipe(t, conn)
			secured := tls.Client(conn, &tls.Config{ServerName: "alpha.test", RootCAs: run.pool(), Time: run.now})
			must(t, secured.Handshake())
			if took := lasts(secured); took != idleTimeout {
				t.Errorf("ended after %v", took)
			}
		})
	})
	t.Run("slow_second_head", func(t *testing.T) {
		inBubble(t, func(t *testing.T, conn net.Conn, run *certifier) {
			connectPipe(t, conn)
			secured := tls.Client(conn, &tls.Config{ServerName: "alpha.test", RootCAs: run.pool(), Time: run.now})
			must(t, secured.Handshake())
			_, err := io.WriteString(secured, "G")
			must(t, err)
			if took := lasts(secured); took != headTimeout {
				t.Errorf("ended after %v", took)
			}
		})
	})
	t.Run("long_exchange", func(t *testing.T) {
		inBubble(t, func(t *testing.T, conn net.Conn, run *certifier) {
			connectPipe(t, conn)
			secured := tls.Client(conn, &tls.Config{ServerName: "alpha.test", RootCAs: run.pool(), Time: run.now})
			must(t, secured.Handshake())
			for range 2 {
				_, err := io.WriteString(secured, "GET / HTTP/1.1\r\nHost: alpha.test\r\n\r\n")
				must(t, err)
				begin := time.Now()
				answer, err := http.ReadResponse(bufio.NewReader(secured), nil)
				must(t, err)
				if took := time.Since(begin); answer.StatusCode != http.StatusForbidden || took != 2*idleTimeout {
					t.Errorf("%d after %v", answer.StatusCode, took)
				}
			}
			if took := lasts(secured); took != idleTimeout {
				t.Errorf("ended after %v", took)
			}
		})
	})
	t.Run("long_exchange_given_up", func(t *testing.T) {
		inBubble(t, func(t *testing.T, conn net.Conn, run *certifier) {
			connectPipe(t, conn)
			secured := tls.Client(conn, &tls.Config{ServerName: "alpha.test", RootCAs: run.pool(), Time: run.now})
			must(t, secured.Handshake())
			_, err := io.WriteString(secured, "GET / HTTP/1.1\r\nHost: alpha.test\r\n\r\n")
			must(t, err)
			time.Sleep(idleTimeout + time.Minute) // and inBubble ends it
		})
	})
}

// now is a time at which the certificates hold: a bubble's clock starts in
// 2000.
func (c *certifier) now() time.Time { return c.cert.NotBefore.Add(time.Minute) }

func connectPipe(t *testing.T, conn net.Conn) {
	go func() { _, _ = io.WriteString(conn, "CONNECT alpha.test:443 HTTP/1.1\r\nHost: alpha.test\r\n\r\n") }()
	answer := make([]byte, len(established))
	if _, err := io.ReadFull(conn, answer); err != nil || string(answer) != established {
		t.Fatalf("%q %v", answer, err)
	}
}

// TestExpectReset: a client that goes away while its body is held back leaves
// nobody behind who could still write to it.
func TestExpectReset(t *testing.T) {
	l := newLab(t, nil)
	started, release := make(chan bool), make(chan bool)
	l.serve("alpha.test:443", false, func(http.ResponseWriter, *http.Request) {
		started <- true
		<-release // net/http does not look after a client whose body it has not read
	})
	defer close(release)
	for range 20 {
		c := l.tunnel("alpha.test")
		c.say("POST / HTTP/1.1\nHost: alpha.test\nExpect: 100-continue\nContent-Length: 4\n\n")
		<-started
		tcp := c.Conn.(*tls.Conn).NetConn().(*net.TCPConn)
		_ = tcp.SetLinger(0)
		_ = tcp.Close()
	}
	l.stop()
	if _, err := net.Dial("tcp", l.addr); err == nil || errors.Is(err, io.EOF) {
		t.Error("still listening")
	}
}

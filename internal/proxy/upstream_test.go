package proxy

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestOrder: heads keep order and spelling, in both directions.
func TestOrder(t *testing.T) {
	l := newLab(t, func(_ *lab, p *Proxy) {
		p.Authorize = func(_ context.Context, r *http.Request) (Grant, error) {
			r.Header["Authorization"] = []string{"Bearer " + canary}
			r.Header["X-More"] = []string{"1", "2"}
			return Grant{Pool: "alpha"}, nil
		}
	})
	const answer = "HTTP/1.1 200 OK\nserver: x\nX-b: 1\nDATE: now\nx-B: 2\ncontent-length: 2\nx-a: 3\n\nok"
	u := l.raw("alpha.test:443", nil, func(br *bufio.Reader, conn net.Conn) {
		for {
			if _, err := http.ReadRequest(br); err != nil {
				return
			}
			_, _ = io.WriteString(conn, strings.ReplaceAll(answer, "\n", "\r\n"))
		}
	})
	c := l.tunnel("alpha.test")
	c.say("GET /p HTTP/1.1\nX-z: 1\nhost: ALPHA.test\nauthorization: child\nx-A: 1\nX-Z: 2\nAuthorization: child\nconnection: x-hop\nx-hop: 1\naccept: */*\n\n")
	got := make([]byte, len(strings.ReplaceAll(answer, "\n", "\r\n")))
	_, err := io.ReadFull(c.br, got)
	must(t, err)
	if diff := cmp.Diff(answer, strings.ReplaceAll(string(got), "\r\n", "\n")); diff != "" {
		t.Error(diff)
	}
	want := "GET /p HTTP/1.1\nX-z: 1\nhost: alpha.test\nauthorization: Bearer " + canary + "\nx-A: 1\nX-Z: 2\naccept: */*\nX-More: 1\nX-More: 2\n\n"
	if diff := cmp.Diff(want, strings.ReplaceAll(u.got(), "\r\n", "\n")); diff != "" {
		t.Error(diff)
	}
}

// TestAuthorizedFields: what Authorize makes of a head can't become two.
func TestAuthorizedFields(t *testing.T) {
	for name, change := range map[string]func(r *http.Request){
		"value": func(r *http.Request) { r.Header["X-A"] = []string{"b\r\nX-B: c"} },
		"old":   func(r *http.Request) { r.Header["Accept"] = []string{"b\nX-B: c"} },
		"name":  func(r *http.Request) { r.Header["X-A: b\r\nX-B"] = []string{"c"} },
		"query": func(r *http.Request) { r.URL.RawQuery = "a b" },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, func(_ *lab, p *Proxy) {
				p.Authorize = func(_ context.Context, r *http.Request) (Grant, error) { change(r); return Grant{}, nil }
			})
			u := l.raw("alpha.test:443", nil, nil)
			c := l.tunnel("alpha.test")
			c.say("GET / HTTP/1.1\nHost: alpha.test\nAccept: x\n\n")
			if a := c.answer("GET"); a.StatusCode != 502 || a.Header.Get("Authsome-Error") != "not_authorized" || u.got() != "" {
				t.Errorf("%d %v, upstream got %q", a.StatusCode, a.Header, u.got())
			}
		})
	}
}

// turns is an upstream that answers a number of requests on each connection,
// and then ends it in its own way.
type turns struct {
	mu   sync.Mutex
	seen []string // method and path of every request
	end  func(br *bufio.Reader, conn net.Conn)
}

func (u *turns) talk(br *bufio.Reader, conn net.Conn) {
	if u.answer(br, conn) {
		u.end(br, conn)
	}
}

func (u *turns) answer(br *bufio.Reader, conn net.Conn) bool {
	r, err := http.ReadRequest(br)
	if err != nil {
		return false
	}
	body, _ := io.ReadAll(r.Body)
	u.mu.Lock()
	u.seen = append(u.seen, fmt.Sprint(r.Method, " ", r.RequestURI, " ", string(body)))
	u.mu.Unlock()
	_, err = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	return err == nil
}

// TestStale: a connection that the server ends while it is idle costs no
// request, and no request is made twice that must not be.
func TestStale(t *testing.T) {
	const post = "POST /2 HTTP/1.1\nHost: alpha.test\nContent-Length: 4\n\nbody"
	closed := func(_ *bufio.Reader, conn net.Conn) { _ = conn.Close() }
	late := func(br *bufio.Reader, _ net.Conn) { _, _ = http.ReadRequest(br) } // read, and never answered
	for _, test := range []struct {
		name, second string
		end          func(br *bufio.Reader, conn net.Conn)
		status       int
		seen         []string
	}{
		{"get_closed", "GET /2 HTTP/1.1\nHost: alpha.test\n\n", closed, 200, []string{"GET /1 ", "GET /2 "}},
		{"post_closed", post, closed, 200, []string{"GET /1 ", "POST /2 body"}},
		{"get_late", "GET /2 HTTP/1.1\nHost: alpha.test\n\n", late, 200, []string{"GET /1 ", "GET /2 "}},
		{"put_late", strings.Replace(post, "POST", "PUT", 1), late, 200, []string{"GET /1 ", "PUT /2 body"}},
		{"key_late", strings.Replace(post, "Content", "Idempotency-Key: 1\nContent", 1), late, 200, []string{"GET /1 ", "POST /2 body"}},
		{"post_late", post, late, 502, []string{"GET /1 "}},
		{"chunked_late", "PUT /2 HTTP/1.1\nHost: alpha.test\nTransfer-Encoding: chunked\n\n4\nbody\n0\n\n", late, 502, []string{"GET /1 "}},
		{"partial", "GET /2 HTTP/1.1\nHost: alpha.test\n\n", func(br *bufio.Reader, conn net.Conn) {
			_, _ = http.ReadRequest(br)
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Le")
		}, 502, []string{"GET /1 "}},
		{"talking", "GET /2 HTTP/1.1\nHost: alpha.test\n\n", func(br *bufio.Reader, conn net.Conn) {
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
			_, _ = br.ReadByte()
		}, 200, []string{"GET /1 ", "GET /2 "}},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := newLab(t, nil)
			u := &turns{}
			ended := make(chan bool)
			first := true // only the first connection ends
			u.end = func(br *bufio.Reader, conn net.Conn) {
				if first {
					first = false
					defer close(ended)
					test.end(br, conn)
					return
				}
				for u.answer(br, conn) {
				}
			}
			l.raw("alpha.test:443", nil, u.talk)
			c := l.tunnel("alpha.test")
			c.say("GET /1 HTTP/1.1\nHost: alpha.test\n\n")
			c.answer("GET")
			if strings.HasSuffix(test.name, "closed") {
				<-ended
			}
			if test.name == "talking" {
				time.Sleep(50 * time.Millisecond) // without it the bytes come too late to be noticed
			}
			c.say(test.second)
			if a := c.answer("GET"); a.StatusCode != test.status || a.body == "evil" {
				t.Errorf("%d %q", a.StatusCode, a.body)
			}
			u.mu.Lock()
			defer u.mu.Unlock()
			if diff := cmp.Diff(test.seen, u.seen); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestNotReused: a connection with any doubt about it carries no other request.
func TestNotReused(t *testing.T) {
	for name, answer := range map[string]string{
		"close":       "HTTP/1.1 200 OK\nConnection: close\nContent-Length: 2\n\nok",
		"http10":      "HTTP/1.0 200 OK\nContent-Length: 2\n\nok",
		"more":        "HTTP/1.1 200 OK\nContent-Length: 2\n\nokHTTP/1.1 200 OK\nContent-Length: 4\n\nevil",
		"chunked":     "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n2\nok\n0\n\nx",
		"204":         "HTTP/1.1 204 No Content\nContent-Length: 2\n\nok",
		"head_length": "HTTP/1.1 200 OK\nContent-Length: 2\n\nok", // to HEAD
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, nil)
			u := l.raw("alpha.test:443", nil, func(br *bufio.Reader, conn net.Conn) {
				if r, err := http.ReadRequest(br); err == nil && r.RequestURI == "/1" {
					_, _ = io.WriteString(conn, strings.ReplaceAll(answer, "\n", "\r\n"))
					_, err = br.ReadByte()
					_ = err
				} else if err == nil {
					_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood")
				}
			})
			c := l.tunnel("alpha.test")
			method := "GET"
			if name == "head_length" {
				method = "HEAD"
			}
			c.say(method + " /1 HTTP/1.1\nHost: alpha.test\n\n")
			c.answer(method)
			c.say("GET /2 HTTP/1.1\nHost: alpha.test\n\n")
			if a := c.answer("GET"); a.body != "good" {
				t.Errorf("%d %q", a.StatusCode, a.body)
			}
			u.mu.Lock()
			defer u.mu.Unlock()
			if u.conns != 2 {
				t.Errorf("%d connections", u.conns)
			}
		})
	}
}

// TestBidirectional: both directions of an exchange go on at the same time.
func TestBidirectional(t *testing.T) {
	l := newLab(t, func(_ *lab, p *Proxy) { p.Authorize = nil }) // a redactor would hold digits back
	l.raw("alpha.test:443", nil, func(br *bufio.Reader, conn net.Conn) {
		r, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		piece := make([]byte, 4)
		for {
			if _, err := io.ReadFull(r.Body, piece); err != nil {
				_, _ = io.WriteString(conn, "0\r\n\r\n")
				return
			}
			_, _ = fmt.Fprintf(conn, "4\r\n%s\r\n", piece)
		}
	})
	c := l.tunnel("alpha.test")
	c.say("POST / HTTP/1.1\nHost: alpha.test\nTransfer-Encoding: chunked\n\n")
	resp, err := http.ReadResponse(c.br, nil)
	must(t, err)
	for i := range 20 {
		sent, got := fmt.Sprintf("%04d", i), make([]byte, 4)
		c.say("4\n" + sent + "\n")
		if _, err := io.ReadFull(resp.Body, got); err != nil || string(got) != sent {
			t.Fatalf("%q %v, want %q", got, err, sent)
		}
	}
	c.say("0\n\n")
	if rest, err := io.ReadAll(resp.Body); len(rest) > 0 || err != nil {
		t.Errorf("%q %v", rest, err)
	}
	c.say("GET / HTTP/1.1\nHost: alpha.test\n\n") // the client's connection goes on
	if a := c.answer("GET"); a.StatusCode != 200 {
		t.Errorf("%d", a.StatusCode)
	}
}

// idleConn makes an idle connection of p over a pipe.
func idleConn(p *upstream) (*upstreamConn, net.Conn) {
	ours, theirs := net.Pipe()
	s := newPollable(ours)
	c := &upstreamConn{Conn: s, socket: s, pool: p}
	p.put(c)
	return c, theirs
}

func hasEnded(conn net.Conn) bool {
	_ = conn.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, err := conn.Read(make([]byte, 1))
	return err == io.EOF
}

func TestIdlePool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t.Context(), &Proxy{})
		defer s.kill()
		pool := func(name string) *upstream {
			return s.upstreams.transport(&http.Request{Header: http.Header{}}, &exchange{to: authority{"alpha.test", 80}, scheme: "http", authorize: true, grant: Grant{Pool: name}})
		}
		a, b := pool("a"), pool("b")
		_, first := idleConn(a)
		time.Sleep(60 * time.Second)
		second, _ := idleConn(a)
		_, third := idleConn(b)
		time.Sleep(maxIdle - 60*time.Second)
		synctest.Wait()
		if !hasEnded(first) || hasEnded(third) {
			t.Error("only the first is idle for 90 s")
		}
		if got := a.get(false); got != second {
			t.Errorf("got %p, want the last one used %p", got, second)
		}
		if got := a.get(false); got != nil {
			t.Error("a pool with nothing left gave a connection")
		}
		_ = second.Close()
		time.Sleep(60 * time.Second)
		synctest.Wait()
		if !hasEnded(third) || s.upstreams.idle != 0 {
			t.Errorf("%d left after another minute", s.upstreams.idle)
		}
		for range maxIdlePerHost + 10 {
			idleConn(a)
		}
		if len(a.idle) != maxIdlePerHost {
			t.Errorf("%d idle connections for one host", len(a.idle))
		}
		for i := range 2 * maxIdleInAll {
			idleConn(pool(fmt.Sprint(i / 10)))
		}
		if s.upstreams.idle > maxIdleInAll || len(s.upstreams.pools) > maxPools {
			t.Errorf("%d idle connections in %d pools", s.upstreams.idle, len(s.upstreams.pools))
		}
		s.upstreams.close()
		if s.upstreams.idle != 0 || a.put(second) {
			t.Error("kept after the end")
		}
	})
}

package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestForwarded: what leaves, byte by byte.
func TestForwarded(t *testing.T) {
	l := newLab(t, func(l *lab, p *Proxy) {
		p.Authorize = func(_ context.Context, r *http.Request) (Grant, error) {
			r.Header.Set("X-Api-Key", canary)
			r.Header.Del("Authorization")
			return Grant{Pool: "alpha", Redact: []string{canary}, Placeholder: placeholder}, nil
		}
	})
	const injected = "Accept-Encoding: identity\nX-Api-Key: " + canary + "\n"
	for _, test := range []struct{ name, request, want string }{
		{
			"R036_R040_connection", "GET /a%2Fb/../c|d?x=%zz&y HTTP/1.1\nHost: alpha.test:443\nConnection: Host, Content-Length, X-Api-Key, Cookie, close\nCookie: a=b\nX-Api-Key: child\nauthorization: child\nAUTHORIZATION: child\n\n",
			"GET /a%2Fb/../c|d?x=%zz&y HTTP/1.1\nHost: alpha.test\nX-Api-Key: " + canary + "\nAccept-Encoding: identity\n\n",
		},
		{
			"R042_hop_by_hop", "GET / HTTP/1.1\nHost: alpha.test\nProxy-Authorization: Basic eA==\nProxy-Anything: 1\nProxy-Connection: keep-alive\nKeep-Alive: 5\nTE: trailers, gzip\nHTTP2-Settings: AAMAAABkAAQAAP__\nConnection: HTTP2-Settings, Upgrade\nUpgrade: h2c\nUser-Agent: x\n\n",
			"GET / HTTP/1.1\nHost: alpha.test\nUser-Agent: x\n" + injected + "\n",
		},
		{
			"R043_forwarded", "GET / HTTP/1.1\nHost: alpha.test\nX-Forwarded-For: 1.2.3.4\nVia: 1.1 x\n\n",
			"GET / HTTP/1.1\nHost: alpha.test\nX-Forwarded-For: 1.2.3.4\nVia: 1.1 x\n" + injected + "\n",
		},
		{
			"empty_query", "GET /a? HTTP/1.1\nHost: alpha.test\n\n",
			"GET /a? HTTP/1.1\nHost: alpha.test\n" + injected + "\n",
		},
		{
			"R058_http10", "GET / HTTP/1.0\n\n",
			"GET / HTTP/1.1\nHost: alpha.test\n" + injected + "\n",
		},
		{
			"H009_delete_with_body", "DELETE / HTTP/1.1\nHost: alpha.test\nContent-Length: 3\n\nabc",
			"DELETE / HTTP/1.1\nHost: alpha.test\nContent-Length: 3\n" + injected + "\nabc",
		},
		{
			"H025_post_0", "POST / HTTP/1.1\nHost: alpha.test\nContent-Length: 0\n\n",
			"POST / HTTP/1.1\nHost: alpha.test\nContent-Length: 0\n" + injected + "\n",
		},
		{
			"H025_chunked_empty", "POST / HTTP/1.1\nHost: alpha.test\nTransfer-Encoding: chunked\n\n0\n\n",
			"POST / HTTP/1.1\nHost: alpha.test\nTransfer-Encoding: chunked\n" + injected + "\n0\n\n",
		},
		{
			"R039_trailers", "POST / HTTP/1.1\nHost: alpha.test\nTransfer-Encoding: chunked\nTrailer: X-Sum, X-Api-Key, X_Api_Key, Authorization\n\n3\nabc\n0\nX-Sum: 1\nX-Api-Key: child\nX_Api_Key: child\nAuthorization: child\nX-Surprise: 1\n\n",
			"POST / HTTP/1.1\nHost: alpha.test\nTransfer-Encoding: chunked\nTrailer: X-Sum\n" + injected + "\n3\nabc\n0\nX-Sum: 1\n\n",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			u := l.raw("alpha.test:443", nil, func(br *bufio.Reader, conn net.Conn) {
				r, err := http.ReadRequest(br)
				if err == nil {
					_, _ = io.Copy(io.Discard, r.Body)
				}
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
			})
			c := l.tunnel("alpha.test")
			c.say(test.request)
			if a := c.answer("GET"); a.StatusCode != 200 || a.body != "ok" {
				t.Errorf("%d %q", a.StatusCode, a.body)
			}
			got := strings.ReplaceAll(u.got(), "\r\n", "\n")
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestKeepAlive(t *testing.T) {
	l := newLab(t, nil)
	alpha := l.serve("alpha.test:443", false, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%s %s", r.RequestURI, body)
	})
	t.Run("H014_pipelined", func(t *testing.T) {
		c := l.tunnel("alpha.test")
		var all strings.Builder
		for i := range 100 {
			switch i % 3 {
			case 0:
				fmt.Fprintf(&all, "GET /%d HTTP/1.1\nHost: alpha.test\n\n", i)
			case 1:
				fmt.Fprintf(&all, "POST /%d HTTP/1.1\nHost: alpha.test\nContent-Length: 4\n\nbody", i)
			case 2:
				fmt.Fprintf(&all, "POST /%d HTTP/1.1\nHost: alpha.test\nTransfer-Encoding: chunked\n\n4\nbody\n0\n\n", i)
			}
		}
		go c.say(all.String())
		for i := range 100 {
			a := c.answer("GET")
			want := fmt.Sprintf("/%d ", i)
			if i%3 != 0 {
				want += "body"
			}
			if a.body != want {
				t.Fatalf("%d: %q", i, a.body)
			}
		}
		seen := alpha.seen()
		if len(seen) != 100 {
			t.Errorf("%d requests", len(seen))
		}
		for _, r := range seen {
			if got := r.Header["Authorization"]; len(got) != 1 || got[0] != "Bearer "+canary {
				t.Errorf("Authorization %q", got)
			}
		}
	})
	t.Run("upstream_reused", func(t *testing.T) {
		before := l.contacts()
		for range 5 {
			c := l.tunnel("alpha.test")
			c.say("GET / HTTP/1.1\nHost: alpha.test\n\n")
			c.answer("GET")
		}
		if n := l.contacts() - before; n != 0 {
			t.Errorf("%d new upstream connections", n)
		}
	})
	t.Run("R070_pools_apart", func(t *testing.T) {
		l.proxy.Authorize = nil // no effect on a running server is promised; the pool key is what counts
		s := newServer(t.Context(), l.proxy)
		defer s.kill()
		to := authority{"alpha.test", 443}
		a := s.upstreams.transport(&http.Request{Header: http.Header{}}, &exchange{to: to, scheme: "https", authorize: true, grant: Grant{Pool: "a/1"}})
		b := s.upstreams.transport(&http.Request{Header: http.Header{}}, &exchange{to: to, scheme: "https", authorize: true, grant: Grant{Pool: "a/2"}})
		if a == b {
			t.Error("two generations share a pool")
		}
	})
}

func TestResponses(t *testing.T) {
	l := newLab(t, nil)
	for _, test := range []struct {
		name, method, proto, upstream string
		want                          string
	}{
		{"length", "GET", "1.1", "HTTP/1.1 200 Fine\nContent-Length: 2\nX: y\n\nok", "HTTP/1.1 200 OK\nContent-Length: 2\nX: y\n\nok"},
		{"chunked", "GET", "1.1", "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n2\nok\n0\n\n", "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n2\nok\n0\n\n"},
		{"until_close", "GET", "1.1", "HTTP/1.1 200 OK\n\nok", "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n2\nok\n0\n\n"},
		{"http10", "GET", "1.0", "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n2\nok\n0\n\n", "HTTP/1.1 200 OK\nConnection: close\n\nok"},
		{"http10_length", "GET", "1.0", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok", "HTTP/1.1 200 OK\nContent-Length: 2\nConnection: close\n\nok"},
		{"H009_head", "HEAD", "1.1", "HTTP/1.1 200 OK\nContent-Length: 200\n\n", "HTTP/1.1 200 OK\nContent-Length: 200\n\n"},
		{"204", "GET", "1.1", "HTTP/1.1 204 No Content\nX: y\n\n", "HTTP/1.1 204 No Content\nX: y\n\n"},
		{"H021_304", "GET", "1.1", "HTTP/1.1 304 Not Modified\nEtag: \"x\"\nContent-Length: 9\n\n", "HTTP/1.1 304 Not Modified\nEtag: \"x\"\nContent-Length: 9\n\n"},
		{"trailer", "GET", "1.1", "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\nTrailer: X-Sum\n\n2\nok\n0\nX-Sum: 1\n\n", "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\nTrailer: X-Sum\n\n2\nok\n0\nX-Sum: 1\n\n"},
		{"hop_by_hop", "GET", "1.1", "HTTP/1.1 200 OK\nContent-Length: 2\nConnection: X-Hop\nX-Hop: 1\nKeep-Alive: 5\nProxy-Authenticate: Basic\nAlt-Svc: h3=\":443\"\nUpgrade: h2c\n\nok", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok"},
		{"R044_redirect", "GET", "1.1", "HTTP/1.1 302 Found\nLocation: https://evil.test/\nContent-Length: 0\n\n", "HTTP/1.1 302 Found\nLocation: https://evil.test/\nContent-Length: 0\n\n"},
		{"H011_103", "GET", "1.1", "HTTP/1.1 103 Early Hints\nLink: </a>\nConnection: X\nX: 1\n\nHTTP/1.1 200 OK\nContent-Length: 2\n\nok", "HTTP/1.1 103 Early Hints\nLink: </a>\n\nHTTP/1.1 200 OK\nContent-Length: 2\n\nok"},
		{"H011_100", "GET", "1.1", "HTTP/1.1 100 Continue\n\nHTTP/1.1 200 OK\nContent-Length: 2\n\nok", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok"},
		{"H011_http10", "GET", "1.0", "HTTP/1.1 103 Early Hints\nLink: </a>\n\nHTTP/1.1 200 OK\nContent-Length: 2\n\nok", "HTTP/1.1 200 OK\nContent-Length: 2\nConnection: close\n\nok"},
	} {
		t.Run(test.name, func(t *testing.T) {
			l.raw("alpha.test:443", nil, func(br *bufio.Reader, conn net.Conn) {
				if _, err := http.ReadRequest(br); err == nil {
					_, _ = io.WriteString(conn, strings.ReplaceAll(test.upstream, "\n", "\r\n"))
				}
			})
			c := l.tunnel("alpha.test")
			c.say(test.method + " / HTTP/" + test.proto + "\nHost: alpha.test\n\n")
			_ = c.Conn.(*tls.Conn).CloseWrite() // H015: the response comes all the same
			got, err := io.ReadAll(c.br)
			if err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(test.want, strings.ReplaceAll(string(got), "\r\n", "\n")); diff != "" {
				t.Error(diff)
			}
		})
	}
	for _, test := range []struct{ name, upstream, code string }{
		{"1.3d_407", "HTTP/1.1 407 Proxy Authentication Required\nProxy-Authenticate: Basic\nContent-Length: 0\n\n", "upstream_407"},
		{"1.3d_101", "HTTP/1.1 101 Switching Protocols\nUpgrade: x\nConnection: Upgrade\n\n", "upstream_101"},
		{"1.3d_1xx_flood", strings.Repeat("HTTP/1.1 103 Early Hints\nLink: </a>\n\n", 50), "upstream_failed"},
		{"closed", "", "upstream_closed"},
		{"garbage", "SSH-2.0-x\n", "upstream_failed"},
		{"H011_head_too_large", "HTTP/1.1 200 OK\nX: " + strings.Repeat("a", 300<<10) + "\n\n", "upstream_failed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := newLab(t, nil)
			l.raw("alpha.test:443", nil, func(br *bufio.Reader, conn net.Conn) {
				if _, err := http.ReadRequest(br); err == nil && test.upstream != "" {
					_, _ = io.WriteString(conn, strings.ReplaceAll(test.upstream, "\n", "\r\n"))
					_, _ = br.ReadByte()
				}
			})
			c := l.tunnel("alpha.test")
			c.say("POST / HTTP/1.1\nHost: alpha.test\nContent-Length: 0\n\n")
			a := c.answer("POST")
			for a.StatusCode == 103 {
				a = c.answer("POST")
			}
			if a.StatusCode != 502 || a.Header.Get("Authsome-Error") != test.code {
				t.Errorf("%d %v", a.StatusCode, a.Header)
			}
		})
	}
}

// TestAborted: an upstream body that ends too early does not look complete.
func TestAborted(t *testing.T) {
	l := newLab(t, nil)
	for name, upstream := range map[string]string{
		"H016_length":  "HTTP/1.1 200 OK\nContent-Length: 100000\n\nabc",
		"H016_chunked": "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n3\nabc\n",
	} {
		for _, proto := range []string{"1.1", "1.0"} {
			t.Run(name+"_"+proto, func(t *testing.T) {
				l.raw("alpha.test:443", nil, func(br *bufio.Reader, conn net.Conn) {
					if _, err := http.ReadRequest(br); err == nil {
						_, _ = io.WriteString(conn, strings.ReplaceAll(upstream, "\n", "\r\n"))
					}
				})
				c := l.tunnel("alpha.test")
				c.say("GET / HTTP/" + proto + "\nHost: alpha.test\n\n")
				if a := c.answer("GET"); a.err == nil {
					t.Errorf("complete: %q", a.body)
				}
			})
		}
	}
}

func TestClientGone(t *testing.T) {
	l := newLab(t, nil)
	cancelled := make(chan time.Time, 1)
	started := make(chan bool, 1)
	l.serve("alpha.test:443", false, func(w http.ResponseWriter, r *http.Request) {
		started <- true
		<-r.Context().Done()
		cancelled <- time.Now()
	})
	for name, end := range map[string]func(c *child){
		"H016_reset": func(c *child) {
			tcp := c.Conn.(*tls.Conn).NetConn().(*net.TCPConn)
			_ = tcp.SetLinger(0)
			_ = tcp.Close()
		},
		"H016_killed": func(c *child) { _ = c.Conn.(*tls.Conn).NetConn().Close() },
	} {
		t.Run(name, func(t *testing.T) {
			c := l.tunnel("alpha.test")
			c.say("GET / HTTP/1.1\nHost: alpha.test\n\n")
			<-started
			begin := time.Now()
			end(c)
			select {
			case at := <-cancelled:
				if took := at.Sub(begin); took > time.Second {
					t.Errorf("took %v", took)
				}
			case <-time.After(5 * time.Second):
				t.Fatal("upstream request goes on")
			}
		})
	}
}

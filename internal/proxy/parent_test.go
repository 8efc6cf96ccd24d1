package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// parentServer is a parent proxy that demands credentials. It sends what
// upstream names to one address.
type parentServer struct {
	mu   sync.Mutex
	seen []string
}

func (p *parentServer) saw(s string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = append(p.seen, s)
}

func (l *lab) parentServer(config *tls.Config, talk func(p *parentServer, conn net.Conn)) (*parentServer, string) {
	listener := l.listen()
	p := new(parentServer)
	var group sync.WaitGroup
	group.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			group.Go(func() {
				defer conn.Close()
				if config != nil {
					conn = tls.Server(conn, config)
				}
				talk(p, conn)
			})
		}
	})
	l.t.Cleanup(func() { _ = listener.Close(); group.Wait() })
	return p, listener.Addr().String()
}

func connectParent(upstream func() string) func(p *parentServer, conn net.Conn) {
	return func(p *parentServer, conn net.Conn) {
		r, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil {
			return
		}
		p.saw(fmt.Sprintf("%s %s %s", r.Method, r.Host, r.Header["Proxy-Authorization"]))
		if r.Header.Get("Proxy-Authorization") != "Basic dXNlcjpwYXNz" {
			_, _ = io.WriteString(conn, "HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n")
			return
		}
		up, err := net.Dial("tcp", upstream())
		if err != nil {
			return
		}
		defer up.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
		tunnel(conn, up)
	}
}

// socksParent speaks RFC 1928 and RFC 1929, and wants names, not addresses.
func socksParent(upstream func() string) func(p *parentServer, conn net.Conn) {
	return func(p *parentServer, conn net.Conn) {
		read := func(n int) []byte { b := make([]byte, n); _, _ = io.ReadFull(conn, b); return b }
		read(int(read(2)[1]))
		_, _ = conn.Write([]byte{5, 2})
		read(1)
		user := string(read(int(read(1)[0])))
		password := string(read(int(read(1)[0])))
		_, _ = conn.Write([]byte{1, 0})
		head := read(4)
		if head[3] != 3 {
			p.saw("not a name")
			return
		}
		name := string(read(int(read(1)[0])))
		p.saw(fmt.Sprintf("%s:%s %s:%d", user, password, name, binary.BigEndian.Uint16(read(2))))
		up, err := net.Dial("tcp", upstream())
		if err != nil {
			return
		}
		defer up.Close()
		_, _ = conn.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
		tunnel(conn, up)
	}
}

func TestParents(t *testing.T) {
	for _, test := range []struct{ name, scheme, saw string }{
		{"http", "http", "CONNECT %s [Basic dXNlcjpwYXNz]"},
		{"https", "https", "CONNECT %s [Basic dXNlcjpwYXNz]"},
		{"socks5", "socks5", "user:pass %s"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var parent *url.URL
			l := newLab(t, func(_ *lab, p *Proxy) {
				p.Parent = func(string, uint16, string) (*url.URL, error) { return parent, nil }
			})
			l.serve("alpha.test:443", false, ok)
			l.raw("blind.test:443", nil, nil)
			name := "alpha.test:443"
			upstream := func() string { return l.names[name] }
			var config *tls.Config
			talk := connectParent(upstream)
			if test.scheme == "https" {
				config = &tls.Config{Certificates: []tls.Certificate{*l.web.leaf(nil, "127.0.0.1")}}
			} else if test.scheme == "socks5" {
				talk = socksParent(upstream)
			}
			server, address := l.parentServer(config, talk)
			parent = &url.URL{Scheme: test.scheme, Host: address, User: url.UserPassword("user", "pass")}
			c := l.tunnel("alpha.test")
			c.say("GET / HTTP/1.1\nHost: alpha.test\n\n")
			if a := c.answer("GET"); a.body != "hello" {
				t.Errorf("%d %s", a.StatusCode, a.body)
			}
			name = "blind.test:443"
			b, err := l.secure(l.connect("blind.test:443"), &tls.Config{ServerName: "blind.test", RootCAs: l.web.pool()})
			must(t, err)
			b.say("GET / HTTP/1.1\nHost: blind.test\n\n")
			if a := b.answer("GET"); a.body != "ok" {
				t.Errorf("blind: %d %s", a.StatusCode, a.body)
			}
			want := []string{fmt.Sprintf(test.saw, "alpha.test:443"), fmt.Sprintf(test.saw, "blind.test:443")}
			server.mu.Lock()
			defer server.mu.Unlock()
			if fmt.Sprint(server.seen) != fmt.Sprint(want) {
				t.Errorf("parent saw %q, want %q", server.seen, want)
			}
		})
	}
}

func TestParentFails(t *testing.T) {
	var parent *url.URL
	l := newLab(t, func(_ *lab, p *Proxy) {
		p.Parent = func(string, uint16, string) (*url.URL, error) { return parent, nil }
	})
	_, address := l.parentServer(nil, connectParent(func() string { return "127.0.0.1:1" }))
	for name, u := range map[string]*url.URL{
		"wrong_password": {Scheme: "http", Host: address, User: url.UserPassword("user", "sesame-open")},
		"down":           {Scheme: "http", Host: "127.0.0.1:1", User: url.UserPassword("user", "sesame-open")},
		"socks_down":     {Scheme: "socks5", Host: "127.0.0.1:1", User: url.UserPassword("user", "sesame-open")},
		"unknown_scheme": {Scheme: "ftp", Host: address},
		"T030_itself":    {Scheme: "http", Host: l.addr},
	} {
		t.Run(name, func(t *testing.T) {
			parent = u
			for _, target := range []string{"alpha.test", "blind.test"} {
				var a answer
				if target == "alpha.test" {
					c := l.tunnel(target)
					c.say("GET / HTTP/1.1\nHost: " + target + "\n\n")
					a = c.answer("GET")
				} else {
					c := l.dial()
					c.say("CONNECT " + target + ":443 HTTP/1.1\nHost: " + target + "\n\n")
					a = c.answer("CONNECT")
				}
				if a.StatusCode != 502 || a.Header.Get("Authsome-Error") != "parent_proxy" || strings.Contains(a.body, "sesame") || strings.Contains(a.body, "127.0.0.1") {
					t.Errorf("%s: %d %s", target, a.StatusCode, a.body)
				}
			}
		})
	}
}

// TestParentMisbehaves: what a parent says or does not say instead of opening
// a tunnel is told in words of our own.
func TestParentMisbehaves(t *testing.T) {
	answer := func(text string) func(*parentServer, net.Conn) {
		return func(_ *parentServer, conn net.Conn) {
			_, _ = http.ReadRequest(bufio.NewReader(conn))
			_, _ = io.WriteString(conn, text)
		}
	}
	socksAnswer := func(replies ...string) func(*parentServer, net.Conn) {
		return func(_ *parentServer, conn net.Conn) {
			buffer := make([]byte, 512)
			for _, reply := range replies {
				_, _ = conn.Read(buffer)
				_, _ = io.WriteString(conn, reply)
			}
		}
	}
	hang := func(_ *parentServer, conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }
	user := url.UserPassword("user", "sesame-open")
	for _, test := range []struct {
		name, scheme string
		user         *url.Userinfo
		talk         func(*parentServer, net.Conn)
		status       int
		says         string
	}{
		{"407_none", "http", nil, answer("HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n"), 502, "wants credentials (407)"},
		{"407_other", "http", user, answer("HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\r\n"), 502, "wants other credentials (407)"},
		{"407_digest", "http", user, answer("HTTP/1.1 407 No\r\nProxy-Authenticate: Digest realm=\"x\"\r\nProxy-Authenticate: NTLM\r\n\r\n"), 502, "wants Digest or NTLM (407)"},
		{"403", "http", user, answer("HTTP/1.1 403 \x1b[31mred\r\n\r\n"), 502, "refused CONNECT to alpha.test:443 (403)"},
		{"garbage", "http", user, answer("220 smtp ready\r\n"), 502, "no answer to CONNECT that can be understood"},
		{"endless", "http", user, answer("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 2*maxHead)), 502, "no answer to CONNECT that can be understood"},
		{"closes", "http", user, answer(""), 502, "no answer to CONNECT that can be understood"},
		{"closes_after_200", "http", user, answer("HTTP/1.1 200 OK\r\n\r\n"), 502, "closed"},
		{"not_tls", "https", user, answer("HTTP/1.1 400 plain\r\n\r\n"), 502, "parent proxy: the server does not speak TLS"},
		{"hangs", "http", user, hang, 504, "parent proxy did not answer in time"},
		{"socks_hangs", "socks5", user, hang, 504, "parent proxy did not answer in time"},
		{"socks_closes", "socks5", nil, socksAnswer(), 502, "no answer that can be understood"},
		{"socks_http", "socks5h", nil, socksAnswer("HTTP/1.1 400 Bad Request\r\n\r\n"), 502, "no answer that can be understood"},
		{"socks_wants", "socks5", nil, socksAnswer("\x05\xff"), 502, "wants credentials"},
		{"socks_wrong", "socks5", user, socksAnswer("\x05\x02", "\x01\x01"), 502, "wants other credentials"},
		{"socks_rules", "socks5", nil, socksAnswer("\x05\x00", "\x05\x02\x00\x01\x00\x00\x00\x00\x00\x00"), 502, "connection not allowed by ruleset for alpha.test:443"},
		{"socks_unreachable", "socks5", nil, socksAnswer("\x05\x00", "\x05\x04\x00\x01\x00\x00\x00\x00\x00\x00"), 502, "host unreachable for alpha.test:443"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var parent *url.URL
			l := newLab(t, func(_ *lab, p *Proxy) {
				p.Parent = func(string, uint16, string) (*url.URL, error) { return parent, nil }
			})
			_, address := l.parentServer(nil, test.talk)
			parent = &url.URL{Scheme: test.scheme, Host: address, User: test.user}
			s := newServer(t.Context(), l.proxy)
			defer s.kill()
			patience := 20 * time.Second
			if test.status == 504 {
				patience = 200 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			conn, err := s.dial(ctx, authority{"alpha.test", 443}, "https", publicly)
			if err == nil { // the parent has promised a tunnel
				_, err = s.upstreams.secure(ctx, conn, &tls.Config{ServerName: "alpha.test"})
			}
			refusal := s.explain(err)
			if refusal == nil || refusal.Status != test.status || !strings.Contains(refusal.Message, test.says) {
				t.Fatalf("%+v from %v", refusal, err)
			}
			if strings.Contains(refusal.Message, "sesame") || strings.Contains(refusal.Message, "127.0.0.1") || strings.Contains(refusal.Message, "\x1b") {
				t.Errorf("told too much: %s", refusal.Message)
			}
		})
	}
}

// TestParentUnknownAuthority: the parent's own certificate is verified too.
func TestParentUnknownAuthority(t *testing.T) {
	var parent *url.URL
	l := newLab(t, func(_ *lab, p *Proxy) {
		p.Parent = func(string, uint16, string) (*url.URL, error) { return parent, nil }
	})
	config := &tls.Config{Certificates: []tls.Certificate{*newCertifier(t, "other").leaf(nil, "127.0.0.1")}}
	server, address := l.parentServer(config, connectParent(func() string { return "127.0.0.1:1" }))
	parent = &url.URL{Scheme: "https", Host: address, User: url.UserPassword("user", "pass")}
	c := l.tunnel("alpha.test")
	c.say("GET / HTTP/1.1\nHost: alpha.test\n\n")
	if a := c.answer("GET"); a.StatusCode != 502 || !strings.Contains(a.body, "parent proxy: the server's certificate is from an unknown authority") {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	server.mu.Lock()
	defer server.mu.Unlock()
	if len(server.seen) > 0 {
		t.Errorf("the parent got %q", server.seen)
	}
}

// TestParentEarlyBytes: what the server said together with the parent's 200
// is not lost, for a tunnel whose server speaks first.
func TestParentEarlyBytes(t *testing.T) {
	var parent *url.URL
	l := newLab(t, func(_ *lab, p *Proxy) {
		p.Parent = func(string, uint16, string) (*url.URL, error) { return parent, nil }
	})
	_, address := l.parentServer(nil, func(_ *parentServer, conn net.Conn) {
		_, _ = http.ReadRequest(bufio.NewReader(conn))
		_, _ = io.WriteString(conn, "HTTP/1.1 201 Fine\r\nContent-Length: 5\r\nVia: x\r\n\r\nearly bird\r\n")
	})
	parent = &url.URL{Scheme: "http", Host: address}
	c := l.connect("blind.test:22")
	got, err := io.ReadAll(c.br)
	if string(got) != "early bird\r\n" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

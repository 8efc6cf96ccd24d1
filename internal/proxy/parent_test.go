package proxy

import (
	"bufio"
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
		"T029_itself":    {Scheme: "http", Host: l.addr},
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

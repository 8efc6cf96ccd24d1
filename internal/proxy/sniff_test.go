package proxy

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestRawTLS: a client that speaks TLS at once goes where its server name
// says, on the terms of a CONNECT.
func TestRawTLS(t *testing.T) {
	l := newLab(t, func(_ *lab, p *Proxy) {
		p.Admit = func(host string, _ uint16, scheme string) error {
			if host == "denied.test" && scheme == "https" {
				return forbidden("denied", "not here")
			}
			return nil
		}
	})
	alpha := l.serve("alpha.test:443", true, ok)
	evil := l.raw("evil.test:443", &tls.Config{Certificates: []tls.Certificate{*l.web.leaf(nil, "evil.test", "alpha.test")}}, nil)
	t.Run("R001_injected_once", func(t *testing.T) {
		c, err := l.secure(l.dial(), &tls.Config{ServerName: "ALPHA.test"})
		must(t, err)
		c.say("GET /a HTTP/1.1\nHost: alpha.test\n\n")
		if a := c.answer("GET"); a.body != "hello" {
			t.Fatalf("%d %q", a.StatusCode, a.body)
		}
		if got := alpha.seen()[0].Header["Authorization"]; len(got) != 1 || got[0] != "Bearer "+canary {
			t.Errorf("Authorization %q", got)
		}
	})
	t.Run("R001_http2", func(t *testing.T) {
		transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: l.run.pool(), ServerName: "alpha.test"}}
		transport.DialContext = (&net.Dialer{}).DialContext
		defer transport.CloseIdleConnections()
		r, err := http.NewRequestWithContext(t.Context(), "GET", "https://"+l.addr+"/", nil)
		must(t, err)
		r.Host = "alpha.test"
		resp, err := transport.RoundTrip(r)
		must(t, err)
		defer resp.Body.Close()
		if body, _ := io.ReadAll(resp.Body); resp.ProtoMajor != 2 || string(body) != "hello" {
			t.Errorf("%s %q", resp.Proto, body)
		}
	})
	t.Run("R004_other_host_inside", func(t *testing.T) {
		c, err := l.secure(l.dial(), &tls.Config{ServerName: "alpha.test"})
		must(t, err)
		c.say("GET / HTTP/1.1\nHost: evil.test\n\n")
		if a := c.answer("GET"); a.StatusCode != 421 {
			t.Errorf("%d", a.StatusCode)
		}
	})
	t.Run("R003_unclaimed_is_blind", func(t *testing.T) {
		c, err := l.secure(l.dial(), &tls.Config{ServerName: "evil.test", RootCAs: l.web.pool()})
		must(t, err) // the upstream's own certificate
		c.say("GET / HTTP/1.1\nHost: alpha.test\n\n")
		if a := c.answer("GET"); a.body != "ok" {
			t.Errorf("%d %q", a.StatusCode, a.body)
		}
		if strings.Contains(evil.got(), canary) {
			t.Error("credential sent")
		}
	})
	for _, test := range []struct{ name, server, alert, reported string }{
		{"R006_no_server_name", "", "unrecognized name", "no_server_name"},
		{"denied", "denied.test", "access denied", "denied"},
		{"S001_metadata", "metadata.google.internal", "access denied", "metadata"},
		{"not_there", "missing.test", "internal error", "parent_proxy"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := l.secure(l.dial(), &tls.Config{ServerName: test.server, InsecureSkipVerify: true})
			if err == nil || !strings.Contains(err.Error(), test.alert) {
				t.Errorf("handshake: %v", err)
			}
			if e := l.reported(test.reported); e.Host != test.server || e.Method != "TLS" {
				t.Errorf("event %+v", e)
			}
		})
	}
}

// TestRawTLSSplit: a hello that comes in pieces, and one that is none.
func TestRawTLSSplit(t *testing.T) {
	l := newLab(t, nil)
	l.serve("alpha.test:443", false, ok)
	slow := &slowConn{Conn: l.dial().Conn}
	c := tls.Client(slow, &tls.Config{ServerName: "alpha.test", RootCAs: l.run.pool()})
	must(t, c.Handshake())
	for _, garbage := range []string{"\x16", "\x16\x03\x01\x00\x00", "\x16\x03\x01\xff\xff", "\x16\x03\x01\x00\x04\x01\xff\xff\xff" + strings.Repeat("\x16\x03\x01\x00\x01x", 100), "\x16GET / HTTP/1.1\r\n\r\n"} {
		c := l.dial()
		_, err := io.WriteString(c.Conn, garbage)
		must(t, err)
		must(t, c.Conn.(*net.TCPConn).CloseWrite())
		if !c.closed() {
			t.Errorf("%q got an answer", garbage)
		}
	}
	if got := l.contacts(); got != 0 {
		t.Errorf("contacts %d", got)
	}
}

// slowConn writes byte by byte.
type slowConn struct{ net.Conn }

func (c *slowConn) Write(p []byte) (int, error) {
	for i := range p {
		if _, err := c.Conn.Write(p[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(p), nil
}

// TestRawTLSLoop: a name that leads back here is not followed.
func TestRawTLSLoop(t *testing.T) {
	l := newLab(t, func(_ *lab, p *Proxy) { p.Parent = nil })
	own := l.proxy.addr.Load()
	own.Port = 443 // as if it listened where it would dial
	defer func() { _, port, _ := net.SplitHostPort(l.addr); own.Port, _ = net.LookupPort("tcp", port) }()
	_, err := l.secure(l.dial(), &tls.Config{ServerName: "localhost", InsecureSkipVerify: true})
	if err == nil || !strings.Contains(err.Error(), "access denied") {
		t.Errorf("handshake: %v", err)
	}
	l.reported("loop")
}

// TestRawPassword: where only a password tells who it is, TLS alone is refused.
func TestRawPassword(t *testing.T) {
	l := newLab(t, func(_ *lab, p *Proxy) { p.identity.Store(&identity{}) })
	_, err := l.secure(l.dial(), &tls.Config{ServerName: "alpha.test"})
	if err == nil || !strings.Contains(err.Error(), "access denied") {
		t.Errorf("S011: handshake: %v", err)
	}
	l.reported("password")
	for _, name := range []string{"S011_none", "S012_wrong", "S012_empty"} {
		t.Run(name, func(t *testing.T) {
			c := l.dial()
			password := map[string]string{"S012_wrong": "wrong"}[name]
			if name == "S011_none" {
				c.send("\x05\x01\x00")
				c.expect("\x05\xff")
			} else {
				c.send("\x05\x02\x00\x02\x01\x01u" + string(rune(len(password))) + password)
				c.expect("\x05\x02\x01\x01")
			}
			if !c.closed() {
				t.Error("connection goes on")
			}
		})
	}
	c := l.dial()
	c.send("\x05\x02\x00\x02\x01\x08authsome" + string(rune(len(l.proxy.Password))) + l.proxy.Password)
	c.expect("\x05\x02\x01\x00")
	if l.contacts() != 0 {
		t.Error("something left")
	}
}

// send is say for a protocol without lines.
func (c *child) send(bytes string) {
	c.t.Helper()
	_, err := io.WriteString(c.Conn, bytes)
	must(c.t, err)
}

func (c *child) expect(want string) {
	c.t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c.br, got); err != nil || string(got) != want {
		c.t.Fatalf("got %q, %v, want %q", got, err, want)
	}
}

const socksOK = "\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"

// socks greets and asks for a domain name.
func (l *lab) socks(host string, port byte) *child {
	c := l.dial()
	c.send("\x05\x02\x00\x02")
	c.expect("\x05\x00")
	c.send("\x05\x01\x00\x03" + string(rune(len(host))) + host + "\x01" + string(rune(port)))
	return c
}

// TestSOCKS: a SOCKS CONNECT is treated as an HTTP one.
func TestSOCKS(t *testing.T) {
	l := newLab(t, func(l *lab, p *Proxy) {
		l.claims["alpha.test:291"] = true
		p.Admit = func(host string, _ uint16, _ string) error {
			if host == "denied.test" {
				return forbidden("denied", "not here")
			}
			return nil
		}
	})
	alpha := l.serve("alpha.test:291", false, ok)
	l.raw("evil.test:291", nil, nil)
	t.Run("R001_claimed", func(t *testing.T) {
		c := l.socks("Alpha.test", 0x23)
		c.expect(socksOK)
		c, err := l.secure(c, &tls.Config{ServerName: "alpha.test"})
		must(t, err)
		c.say("GET / HTTP/1.1\nHost: alpha.test:291\n\n")
		if a := c.answer("GET"); a.body != "hello" || alpha.seen()[0].Header.Get("Authorization") != "Bearer "+canary {
			t.Errorf("%d %q", a.StatusCode, a.body)
		}
	})
	t.Run("R002_sni_mismatch", func(t *testing.T) {
		c := l.socks("alpha.test", 0x23)
		c.expect(socksOK)
		if _, err := l.secure(c, &tls.Config{ServerName: "evil.test"}); err == nil || !strings.Contains(err.Error(), "unrecognized name") {
			t.Errorf("handshake: %v", err)
		}
	})
	t.Run("R003_blind", func(t *testing.T) {
		c := l.socks("evil.test", 0x23)
		c.expect(socksOK)
		c, err := l.secure(c, &tls.Config{ServerName: "evil.test", RootCAs: l.web.pool()})
		must(t, err)
		c.say("GET / HTTP/1.1\nHost: alpha.test\n\n")
		if a := c.answer("GET"); a.body != "ok" {
			t.Errorf("%d %q", a.StatusCode, a.body)
		}
	})
	for _, test := range []struct {
		name, request string
		reply         byte
	}{
		{"denied", "\x05\x01\x00\x03\x0bdenied.test\x01\x23", socksNotAllowed},
		{"not_there", "\x05\x01\x00\x03\x0cmissing.test\x01\x23", socksFailed},
		{"bind", "\x05\x02\x00\x03\x09evil.test\x01\x23", socksNoCommand},
		{"udp", "\x05\x03\x00\x01\x7f\x00\x00\x01\x01\x23", socksNoCommand},
		{"no_port", "\x05\x01\x00\x03\x09evil.test\x00\x00", socksNoAddress},
		{"kind", "\x05\x01\x00\x02\x09evil.test\x01\x23", socksNoAddress},
		{"R022_percent", "\x05\x01\x00\x03\x0cevil%2etest\x01\x23", socksNoAddress},
		{"S_decimal", "\x05\x01\x00\x03\x0a2130706433\x01\x23", socksNoAddress},
		{"S001_metadata", "\x05\x01\x00\x01\xa9\xfe\xa9\xfe\x00\x50", socksNotAllowed},
		{"S001_mapped", "\x05\x01\x00\x04" + strings.Repeat("\x00", 10) + "\xff\xff\xa9\xfe\xa9\xfe\x00\x50", socksNotAllowed},
		{"version", "\x04\x01\x00\x03\x09evil.test\x01\x23", socksFailed},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := l.dial()
			c.send("\x05\x01\x00")
			c.expect("\x05\x00")
			c.send(test.request)
			c.expect("\x05" + string(rune(test.reply)))
		})
	}
}

// TestSOCKSAtOnce: a client that does not wait for answers.
func TestSOCKSAtOnce(t *testing.T) {
	l := newLab(t, nil)
	listener := l.listen()
	l.resolve("plain.test:291", listener.Addr().String())
	go func() {
		conn, err := listener.Accept()
		if err == nil {
			_, _ = io.Copy(conn, conn)
			_ = conn.Close()
		}
	}()
	c := l.dial()
	c.send("\x05\x01\x00\x05\x01\x00\x03\x0aplain.test\x01\x23early\n")
	must(t, c.Conn.(*net.TCPConn).CloseWrite())
	c.expect("\x05\x00" + socksOK + "early\n")
	if !c.closed() {
		t.Error("more came")
	}
}

func TestSniffTimeout(t *testing.T) {
	for name, first := range map[string]string{"H023_hello": "\x16\x03\x01\x02\x00", "H023_socks": "\x05", "H023_socks_request": "\x05\x01\x00\x05"} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, conn net.Conn, _ *certifier) {
				go func() { _, _ = io.WriteString(conn, first) }()
				if took := lasts(conn); took != headTimeout {
					t.Errorf("ended after %v", took)
				}
			})
		})
	}
}

// scriptedConn is a connection on which everything has arrived.
type scriptedConn struct {
	net.Conn
	in  *bytes.Reader
	out bytes.Buffer
}

func (c *scriptedConn) Read(p []byte) (int, error)  { return c.in.Read(p) }
func (c *scriptedConn) Write(p []byte) (int, error) { return c.out.Write(p) }

// hello returns what a client with this configuration says first.
func helloOf(t testing.TB, config *tls.Config) []byte {
	client := &scriptedConn{in: bytes.NewReader(nil)}
	if err := tls.Client(client, config).Handshake(); err == nil {
		t.Fatal("handshake with nobody")
	}
	return client.out.Bytes()
}

// FuzzHello: whatever comes, nothing but what was read is kept, and no more
// than the bound.
func FuzzHello(f *testing.F) {
	f.Add(helloOf(f, &tls.Config{ServerName: "alpha.test"}))
	f.Add(helloOf(f, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12}))
	f.Add([]byte("\x16\x03\x01\x00\x00"))
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) == 0 {
			return
		}
		conn := &scriptedConn{in: bytes.NewReader(in[1:])}
		hello := &helloConn{Conn: conn, seen: in[:1:1]}
		name, err := hello.serverName()
		if !bytes.HasPrefix(in, hello.seen) || len(hello.seen) > maxHello || conn.out.Len() != 0 {
			t.Errorf("kept %d bytes of %d, wrote %d", len(hello.seen), len(in), conn.out.Len())
		}
		if err != nil && name != "" {
			t.Errorf("%q and %v", name, err)
		}
	})
}

func TestHelloBound(t *testing.T) {
	record := append([]byte{0x16, 3, 1, 0x40, 0, 1, 0, 0xff, 0xff}, make([]byte, 0x4000-4)...)
	conn := &scriptedConn{in: bytes.NewReader(bytes.Repeat(record, 8)[1:])}
	hello := &helloConn{Conn: conn, seen: []byte{0x16}}
	if _, err := hello.serverName(); !errors.Is(err, errHelloSize) || len(hello.seen) != maxHello {
		t.Errorf("%v after %d bytes", err, len(hello.seen))
	}
}

// FuzzSOCKS: a request is refused or names a host and port that CONNECT could.
func FuzzSOCKS(f *testing.F) {
	for _, s := range []string{"\x05\x01\x00\x03\x09evil.test\x01\x23", "\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x50", "\x05\x01\x00\x04" + strings.Repeat("\x00", 18)} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		to, reply, err := readSOCKSRequest(bytes.NewReader(in))
		if (err == nil) != (reply == socksSucceeded) {
			t.Fatalf("%v with reply %d", err, reply)
		}
		if err != nil {
			return
		}
		if again, err := parseAuthority(to.String(), 0); err != nil || again != to {
			t.Errorf("%q is no authority: %v", to, err)
		}
	})
}

// A first byte costs nothing of the time a request has.
func TestSniffKeepsDeadline(t *testing.T) {
	inBubble(t, func(t *testing.T, conn net.Conn, _ *certifier) {
		go func() {
			time.Sleep(headTimeout / 2)
			_, _ = io.WriteString(conn, "G")
		}()
		if took := lasts(conn); took != headTimeout {
			t.Errorf("ended after %v", took)
		}
	})
}

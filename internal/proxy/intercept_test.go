package proxy

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestChildTLS(t *testing.T) {
	l := newLab(t, nil)
	l.serve("alpha.test:443", false, ok)
	for _, test := range []struct {
		name   string
		offer  []string
		choice string
		fails  string
	}{
		{"T017_none", nil, "", ""},
		{"T017_h2", []string{"h2"}, "h2", ""},
		{"T017_http1", []string{"http/1.1"}, "http/1.1", ""},
		{"T017_both", []string{"http/1.1", "h2"}, "h2", ""},
		{"T017_grease", []string{"\x0a\x0a", "http/1.1"}, "http/1.1", ""},
		{"T017_acme", []string{"acme-tls/1"}, "", "no application protocol"},
		{"T017_h3", []string{"h3"}, "", "no application protocol"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := l.secure(l.connect("alpha.test:443"), &tls.Config{ServerName: "alpha.test", NextProtos: test.offer})
			if test.fails != "" {
				if err == nil || !strings.Contains(err.Error(), test.fails) {
					t.Fatalf("error %v", err)
				}
				return
			}
			must(t, err)
			if got := c.Conn.(*tls.Conn).ConnectionState().NegotiatedProtocol; got != test.choice {
				t.Errorf("chose %q", got)
			}
		})
	}
	t.Run("T008_tls_1.1", func(t *testing.T) {
		if _, err := l.secure(l.connect("alpha.test:443"), &tls.Config{ServerName: "alpha.test", MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}); err == nil {
			t.Error("accepted")
		}
	})
	t.Run("T024_cbc", func(t *testing.T) {
		if _, err := l.secure(l.connect("alpha.test:443"), &tls.Config{ServerName: "alpha.test", MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_AES_128_GCM_SHA256}}); err == nil {
			t.Error("accepted")
		}
	})
	t.Run("T008_not_tls", func(t *testing.T) {
		c := l.connect("alpha.test:443")
		c.say("GET / HTTP/1.1\nHost: alpha.test\n\n")
		if _, err := io.ReadAll(c.br); err != nil && !strings.Contains(err.Error(), "reset") {
			t.Error(err)
		}
	})
	t.Run("T008_byte_by_byte", func(t *testing.T) {
		c := l.connect("alpha.test:443")
		conn := tls.Client(dribble{c.Conn}, &tls.Config{ServerName: "alpha.test", RootCAs: l.run.pool()})
		must(t, conn.Handshake())
	})
	t.Run("resumption", func(t *testing.T) {
		cache := tls.NewLRUClientSessionCache(4)
		for i := range 5 {
			c, err := l.secure(l.connect("alpha.test:443"), &tls.Config{ServerName: "alpha.test", ClientSessionCache: cache})
			must(t, err)
			c.say("GET / HTTP/1.1\nHost: alpha.test\n\n")
			c.answer("GET") // also reads the ticket
			if resumed := c.Conn.(*tls.Conn).ConnectionState().DidResume; resumed != (i > 0) {
				t.Errorf("connection %d resumed: %v", i, resumed)
			}
		}
	})
	t.Run("R002_resumed_elsewhere", func(t *testing.T) {
		// A ticket for alpha.test does not open beta.test's tunnel.
		cache := tls.NewLRUClientSessionCache(4)
		c, err := l.secure(l.connect("alpha.test:443"), &tls.Config{ServerName: "alpha.test", ClientSessionCache: cache})
		must(t, err)
		c.say("GET / HTTP/1.1\nHost: alpha.test\n\n")
		c.answer("GET")
		if _, err := l.secure(l.connect("beta.test:443"), &tls.Config{ServerName: "alpha.test", ClientSessionCache: cache}); err == nil {
			t.Error("accepted")
		}
	})
}

// dribble sends one byte at a time.
type dribble struct{ net.Conn }

func (d dribble) Write(p []byte) (int, error) {
	for i := range p {
		if _, err := d.Conn.Write(p[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(p), nil
}

func TestLeafFails(t *testing.T) {
	l := newLab(t, func(_ *lab, p *Proxy) {
		p.Leaf = func(string) (*tls.Certificate, error) { return nil, errors.New("outside the name constraints") }
	})
	c := l.dial()
	c.say("CONNECT alpha.test:443 HTTP/1.1\nHost: x\n\n")
	if a := c.answer("CONNECT"); a.StatusCode != 502 || !strings.Contains(a.body, "outside the name constraints") {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}

func TestClientRejectsCertificate(t *testing.T) {
	for name, config := range map[string]*tls.Config{
		"T016_unknown_ca_1.3": {ServerName: "alpha.test", RootCAs: x509.NewCertPool()},
		"T016_unknown_ca_1.2": {ServerName: "alpha.test", RootCAs: x509.NewCertPool(), MaxVersion: tls.VersionTLS12},
		"T016_pinned":         {ServerName: "alpha.test", VerifyConnection: func(tls.ConnectionState) error { return errors.New("pin") }},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, nil)
			for range 3 {
				if _, err := l.secure(l.connect("alpha.test:443"), config); err == nil {
					t.Fatal("accepted")
				}
			}
			if e := l.reported("certificate_rejected"); e.Host != "alpha.test" || strings.Contains(e.Reason, "127.0.0.1") {
				t.Errorf("%+v", e)
			}
			time.Sleep(50 * time.Millisecond)
			n := 0
			l.mu.Lock()
			defer l.mu.Unlock()
			for _, e := range l.events {
				if e.Kind == KindUntrusted {
					n++
				}
			}
			if n != 1 {
				t.Errorf("reported %d times", n)
			}
		})
	}
	t.Run("closed_after_handshake", func(t *testing.T) {
		l := newLab(t, nil)
		for range silentCloses {
			c, err := l.secure(l.connect("alpha.test:443"), &tls.Config{ServerName: "alpha.test"})
			must(t, err)
			_ = c.Close()
		}
		l.reported("certificate_rejected")
	})
	t.Run("preconnect_is_none", func(t *testing.T) {
		l := newLab(t, nil)
		l.serve("alpha.test:443", false, ok)
		for range silentCloses - 1 { // spare ones, before any has served
			_ = l.tunnel("alpha.test").Close()
		}
		time.Sleep(50 * time.Millisecond)
		c := l.tunnel("alpha.test")
		c.say("GET / HTTP/1.1\nHost: alpha.test\n\n")
		c.answer("GET")
		_ = c.Close()
		time.Sleep(50 * time.Millisecond)
		c = l.tunnel("alpha.test")
		_ = c.Close()
		time.Sleep(100 * time.Millisecond)
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, e := range l.events {
			if e.Kind == KindUntrusted {
				t.Errorf("%+v", e)
			}
		}
	})
}

// TestRefusalsFirst: each client is reported once, and no more when one had no
// name.
func TestRefusalsFirst(t *testing.T) {
	for _, c := range []struct {
		programs string
		want     []bool
	}{
		{"curl curl git curl", []bool{true, false, true, false}},
		{"curl - git -", []bool{true, false, true, false}},
		{"- curl -", []bool{true, false, false}},
	} {
		var r refusals
		var got []bool
		for name := range strings.FieldsSeq(c.programs) {
			got = append(got, r.first(strings.Trim(name, "-")))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.programs, got, c.want)
		}
	}
}

// TestPlainName: a client does not get to write on the user's terminal.
func TestPlainName(t *testing.T) {
	for name, want := range map[string]string{"curl": "curl", "": "", "a b": "", "\x1b[2J": "", "é": "", strings.Repeat("a", 65): ""} {
		if got := plainName(name); got != want {
			t.Errorf("%q: %q", name, got)
		}
	}
}

// TestRootsOnce: the roots are read lazily, and once.
func TestRootsOnce(t *testing.T) {
	var calls atomic.Int32
	l := newLab(t, func(l *lab, p *Proxy) {
		roots := p.Roots
		p.Roots = func() (*x509.CertPool, error) { calls.Add(1); return roots() }
	})
	l.serve("alpha.test:443", false, ok)
	l.serve("beta.test:443", false, ok)
	if calls.Load() != 0 {
		t.Error("eager")
	}
	for _, host := range []string{"alpha.test", "beta.test", "alpha.test"} {
		c := l.tunnel(host)
		c.say("GET / HTTP/1.1\nHost: " + host + "\n\n")
		c.answer("GET")
	}
	if calls.Load() != 1 {
		t.Errorf("%d calls", calls.Load())
	}
}

// TestDrain: a response in flight when the run ends is finished; one that
// does not end is cut after the drain time.
func TestDrain(t *testing.T) {
	release := make(chan bool)
	started := make(chan bool, 2)
	l := newLab(t, nil)
	l.raw("alpha.test:443", nil, func(br *bufio.Reader, conn net.Conn) {
		r, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
		started <- true
		if r.URL.Path == "/ends" {
			<-release
			_, _ = io.WriteString(conn, strings.Repeat("a", 100000))
		}
		_, _ = br.ReadByte()
	})
	ends, never := l.tunnel("alpha.test"), l.tunnel("alpha.test")
	ends.say("GET /ends HTTP/1.1\nHost: alpha.test\n\n")
	never.say("GET /never HTTP/1.1\nHost: alpha.test\n\n")
	<-started
	<-started
	begin := time.Now()
	stopped := make(chan bool)
	go func() { l.stop(); close(stopped) }()
	time.Sleep(100 * time.Millisecond)
	if _, err := net.Dial("tcp", l.addr); err == nil {
		t.Error("S014 P007: the port is still open")
	}
	release <- true
	if a := ends.answer("GET"); a.err != nil || len(a.body) != 100000 {
		t.Errorf("%v %d", a.err, len(a.body))
	}
	if a := never.answer("GET"); a.err == nil {
		t.Error("complete")
	}
	<-stopped
	if took := time.Since(begin); took < drainTime || took > drainTime+time.Second {
		t.Errorf("shutdown took %v", took)
	}
}

// TestAgentName: a client is called as it calls itself, and a browser by its
// own name.
func TestAgentName(t *testing.T) {
	for agent, want := range map[string]string{
		"curl/7.88.1":              "curl",
		"Go-http-client/1.1 extra": "Go-http-client",
		"":                         "",
		"\x1b[31mred/1":            "",
		"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/156.0.0.0 Safari/537.36": "chrome",
		"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0":                                        "firefox",
		"Mozilla/5.0 (compatible)": "",
	} {
		if got := agentName(agent); got != want {
			t.Errorf("%q: %q, want %q", agent, got, want)
		}
	}
}

package proxy

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func ok(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }

func TestRouting(t *testing.T) {
	l := newLab(t, nil)
	alpha := l.serve("alpha.test:443", false, ok)

	t.Run("R001_injected_once", func(t *testing.T) {
		c := l.tunnel("alpha.test")
		c.say("GET /a?b=c HTTP/1.1\nHost: alpha.test\n\n")
		a := c.answer("GET")
		if a.StatusCode != 200 || a.body != "hello" {
			t.Fatalf("%d %q", a.StatusCode, a.body)
		}
		r := alpha.seen()[0]
		if got := r.Header["Authorization"]; len(got) != 1 || got[0] != "Bearer "+canary {
			t.Errorf("Authorization %q", got)
		}
		if r.RequestURI != "/a?b=c" || r.Host != "alpha.test" {
			t.Errorf("target %q host %q", r.RequestURI, r.Host)
		}
	})
	t.Run("R002_A1_sni_mismatch", func(t *testing.T) {
		before := l.contacts()
		_, err := l.secure(l.connect("alpha.test:443"), &tls.Config{ServerName: "evil.test"})
		if err == nil || !strings.Contains(err.Error(), "unrecognized name") {
			t.Errorf("handshake: %v", err)
		}
		if l.contacts() != before {
			t.Error("upstream was contacted")
		}
		if e := l.reported("sni_mismatch"); e.Host != "alpha.test" {
			t.Errorf("event %+v", e)
		}
	})
	t.Run("R006_A5_no_sni", func(t *testing.T) {
		c, err := l.secure(l.connect("alpha.test:443"), &tls.Config{InsecureSkipVerify: true})
		must(t, err)
		state := c.Conn.(*tls.Conn).ConnectionState()
		must(t, state.PeerCertificates[0].VerifyHostname("alpha.test"))
		c.say("GET / HTTP/1.1\nHost: alpha.test\n\n")
		if a := c.answer("GET"); a.StatusCode != 200 {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
		seen := alpha.seen()
		if name := seen[len(seen)-1].TLS.ServerName; name != "alpha.test" {
			t.Errorf("upstream SNI %q", name)
		}
	})
	t.Run("R017_case", func(t *testing.T) {
		c, err := l.secure(l.connect("ALPHA.Test:443"), &tls.Config{ServerName: "ALPHA.test", InsecureSkipVerify: true})
		must(t, err)
		c.say("GET / HTTP/1.1\nHost: aLpHa.TEST\n\n")
		if a := c.answer("GET"); a.StatusCode != 200 {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
		seen := alpha.seen()
		if r := seen[len(seen)-1]; r.Host != "alpha.test" || len(r.Header["Authorization"]) != 1 {
			t.Errorf("host %q authorization %q", r.Host, r.Header["Authorization"])
		}
	})
	t.Run("R018_B3_trailing_dot", func(t *testing.T) {
		c, err := l.secure(l.connect("alpha.test.:443"), &tls.Config{ServerName: "alpha.test"})
		must(t, err)
		c.say("GET / HTTP/1.1\nHost: alpha.test.\n\n")
		if a := c.answer("GET"); a.StatusCode != 200 {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
		seen := alpha.seen()
		if r := seen[len(seen)-1]; r.Host != "alpha.test" || r.TLS.ServerName != "alpha.test" {
			t.Errorf("host %q SNI %q", r.Host, r.TLS.ServerName)
		}
	})
	t.Run("R056_R055_pipeline", func(t *testing.T) {
		before := len(alpha.seen())
		c := l.tunnel("alpha.test")
		c.say("GET /1 HTTP/1.1\nHost: alpha.test\n\nGET /2 HTTP/1.1\nHost: evil.test\n\nGET /3 HTTP/1.1\nHost: alpha.test\n\n")
		if a := c.answer("GET"); a.StatusCode != 200 {
			t.Errorf("first: %d", a.StatusCode)
		}
		if a := c.answer("GET"); a.StatusCode != 421 || a.Header.Get("Connection") != "close" && !a.Close {
			t.Errorf("second: %d", a.StatusCode)
		}
		if !c.closed() {
			t.Error("connection goes on")
		}
		if n := len(alpha.seen()) - before; n != 1 {
			t.Errorf("%d requests went out", n)
		}
	})
}

// TestRefusedInTunnel: nothing of these reaches the upstream.
func TestRefusedInTunnel(t *testing.T) {
	l := newLab(t, nil)
	alpha := l.serve("alpha.test:443", false, ok)
	for _, test := range []struct {
		name, request string
		status        int
	}{
		{"R004_A3_host", "GET / HTTP/1.1\nHost: evil.test\n\n", 421},
		{"R005_other_provider", "GET / HTTP/1.1\nHost: beta.test\n\n", 421},
		{"R008_absolute_http", "GET http://alpha.test/ HTTP/1.1\nHost: alpha.test\n\n", 400},
		{"A6_absolute_evil", "GET https://evil.test/ HTTP/1.1\nHost: alpha.test\n\n", 421},
		{"absolute_evil_twice", "GET https://evil.test/ HTTP/1.1\nHost: evil.test\n\n", 421},
		{"absolute_userinfo", "GET https://x@alpha.test/ HTTP/1.1\nHost: alpha.test\n\n", 400},
		{"R010_no_slash", "GET alpha.test/x HTTP/1.1\nHost: alpha.test\n\n", 400},
		{"R010_asterisk", "GET * HTTP/1.1\nHost: alpha.test\n\n", 400},
		{"R010_connect", "CONNECT alpha.test:443 HTTP/1.1\nHost: alpha.test\n\n", 400},
		{"R010_preface", "PRI * HTTP/2.0\n\nSM\n\n", 400},
		{"double_slash", "GET //evil.test/x HTTP/1.1\nHost: alpha.test\n\n", 400},
		{"backslash", "GET /\\evil.test HTTP/1.1\nHost: alpha.test\n\n", 400},
		{"bad_escape", "GET /%zz HTTP/1.1\nHost: alpha.test\n\n", 400},
		{"H007_fragment", "GET /#x HTTP/1.1\nHost: alpha.test\n\n", 400},
		{"R057_none", "GET / HTTP/1.1\n\n", 400},
		{"R057_two", "GET / HTTP/1.1\nHost: alpha.test\nHost: alpha.test\n\n", 400},
		{"R057_empty", "GET / HTTP/1.1\nHost:\n\n", 400},
		{"R057_port", "GET / HTTP/1.1\nHost: alpha.test:444\n\n", 421},
		{"host_userinfo", "GET / HTTP/1.1\nHost: x@alpha.test\n\n", 400},
		{"host_list", "GET / HTTP/1.1\nHost: alpha.test, evil.test\n\n", 400},
		{"R058_http10_chunked", "POST / HTTP/1.0\nHost: alpha.test\nTransfer-Encoding: chunked\n\n0\n\n", 400},
		{"R058_http10_evil", "GET / HTTP/1.0\nHost: evil.test\n\n", 421},
		{"R059_trace", "TRACE / HTTP/1.1\nHost: alpha.test\n\n", 405},
		{"R059_track", "TRACK / HTTP/1.1\nHost: alpha.test\n\n", 405},
		{"R060_max_forwards", "OPTIONS / HTTP/1.1\nHost: alpha.test\nMax-Forwards: 0\n\n", 400},
		{"H002_both_lengths", "POST / HTTP/1.1\nHost: alpha.test\nContent-Length: 3\nTransfer-Encoding: chunked\n\n0\n\n", 400},
		{"H025_expect", "POST / HTTP/1.1\nHost: alpha.test\nExpect: 200-ok\nContent-Length: 1\n\nx", 417},
		{"W008_body", "GET / HTTP/1.1\nHost: alpha.test\nConnection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\nContent-Length: 1\n\nx", 400},
		{"H012_websocket_version", "GET / HTTP/1.1\nHost: alpha.test\nConnection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 8\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\n\n", 400},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := l.tunnel("alpha.test")
			c.say(test.request)
			a := c.answer("GET")
			if a.StatusCode != test.status || a.Header.Get("Authsome-Error") == "" || !strings.HasPrefix(a.body, `{"error":{"code":`) {
				t.Errorf("%d %v %q, want %d", a.StatusCode, a.Header, a.body, test.status)
			}
		})
	}
	if n := len(alpha.seen()); n != 0 || l.contacts() != 0 {
		t.Errorf("%d requests and %d contacts upstream", n, l.contacts())
	}
}

func TestConnect(t *testing.T) {
	for _, test := range []struct {
		name, target string
	}{
		{"R018_two_dots", "alpha.test..:443"},
		{"R020_brackets", "[alpha.test]:443"},
		{"R021_userinfo", "user@alpha.test:443"},
		{"R021_userinfo_evil", "alpha.test@evil.test:443"},
		{"R022_percent", "alpha.test%2eevil.test:443"},
		{"R022_nul", "alpha.test%00.evil.test:443"},
		{"no_port", "alpha.test"},
		{"empty_port", "alpha.test:"},
		{"zero_port", "alpha.test:0"},
		{"leading_zero", "alpha.test:0443"},
		{"big_port", "alpha.test:65979"},
		{"two_ports", "alpha.test:443:443"},
		{"plus_port", "alpha.test:+443"},
		{"path", "alpha.test:443/x"},
		{"S_short", "127.1:443"},
		{"S_hex", "0x7f.1:443"},
		{"S_hex_whole", "0x7f000001:443"},
		{"S_decimal", "2130706433:443"},
		{"S_octal", "0177.0.0.1:443"},
		{"S_zero", "0:443"},
		{"empty_label", "alpha..test:443"},
		{"hyphen", "xn--api-.test:443"},
		{"unbracketed_6", "::1:443"},
		{"zone", "[fe80::1%25eth0]:443"},
		{"url", "https://alpha.test:443"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got, err := parseAuthority(test.target, 0); err == nil {
				t.Errorf("accepted as %v", got)
			}
		})
	}
	l := newLab(t, nil)
	for name, head := range map[string]string{
		"R022_space":   "CONNECT alpha.test evil.test:443 HTTP/1.1\nHost: alpha.test\n\n",
		"R022_tab":     "CONNECT alpha.test\t:443 HTTP/1.1\nHost: alpha.test\n\n",
		"R020_on_wire": "CONNECT [alpha.test]:443 HTTP/1.1\nHost: alpha.test\n\n",
		"body":         "CONNECT alpha.test:443 HTTP/1.1\nHost: alpha.test\nContent-Length: 4\n\nabcd",
		"S008_get":     "GET / HTTP/1.1\nHost: localhost\n\n",
		"S008_ca":      "GET /ca.pem HTTP/1.1\nHost: localhost\n\n",
		"S008_admin":   "POST /admin HTTP/1.1\nHost: localhost\nContent-Length: 0\n\n",
		"2013_preface": "PRI * HTTP/2.0\n\nSM\n\n",
	} {
		t.Run(name, func(t *testing.T) {
			c := l.dial()
			c.say(head)
			a := c.answer("GET")
			if a.StatusCode != 400 {
				t.Errorf("%d", a.StatusCode)
			}
			if strings.HasPrefix(name, "S008") && (len(a.Header) > 2 || a.body != "") {
				t.Errorf("information: %v %q", a.Header, a.body)
			}
			if !c.closed() {
				t.Error("connection goes on")
			}
		})
	}
	if l.contacts() != 0 {
		t.Errorf("contacts: %v", l.parented)
	}
}

// TestBlind: what is not claimed is copied, and no credential is near it.
func TestBlind(t *testing.T) {
	l := newLab(t, nil)
	evil := l.raw("evil.test:443", &tls.Config{Certificates: []tls.Certificate{*l.web.leaf(nil, "evil.test", "alpha.test")}}, nil)
	other := l.raw("alpha.test:8443", &tls.Config{Certificates: []tls.Certificate{*l.web.leaf(nil, "alpha.test")}}, nil)
	talk := func(t *testing.T, target, sni string) {
		c, err := l.secure(l.connect(target), &tls.Config{ServerName: sni, RootCAs: l.web.pool()})
		must(t, err) // the upstream's own certificate, not the run's
		c.say("GET / HTTP/1.1\nHost: alpha.test\n\n")
		if a := c.answer("GET"); a.body != "ok" {
			t.Errorf("%d %q", a.StatusCode, a.body)
		}
	}
	t.Run("R003_A2_R067_evil_with_alpha_inside", func(t *testing.T) { talk(t, "evil.test:443", "alpha.test") })
	t.Run("R014_B2_other_port", func(t *testing.T) { talk(t, "alpha.test:8443", "alpha.test") })
	for _, host := range []string{"evil-alpha.test", "alpha.test.evil.test", "xalpha.test"} {
		t.Run("R025_"+host, func(t *testing.T) {
			l.resolve(host+":443", "127.0.0.1:1")
			c := l.dial()
			c.say("CONNECT " + host + ":443 HTTP/1.1\nHost: " + host + "\n\n")
			if a := c.answer("CONNECT"); a.StatusCode != 502 {
				t.Errorf("%d", a.StatusCode)
			}
		})
	}
	t.Run("underscore", func(t *testing.T) {
		l.claims["_a.test:443"] = true
		l.resolve("_a.test:443", "127.0.0.1:1")
		c := l.dial()
		c.say("CONNECT _a.test:443 HTTP/1.1\nHost: _a.test\n\n")
		if a := c.answer("CONNECT"); a.StatusCode != 502 || a.Header.Get("Authsome-Error") != "parent_proxy" {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
	})
	if all := evil.got() + other.got(); strings.Contains(all, canary) {
		t.Error("credential sent")
	}
}

func TestBlindHalfClose(t *testing.T) {
	l := newLab(t, nil)
	listener := l.listen()
	l.resolve("plain.test:9", listener.Addr().String())
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		got, _ := io.ReadAll(conn) // to the child's end
		_, _ = conn.Write(append([]byte("got "), got...))
	}()
	c := l.dial()
	c.say("CONNECT plain.test:9 HTTP/1.1\nHost: x\n\nearly ")
	if a := c.answer("CONNECT"); a.StatusCode != 200 {
		t.Fatal(a.StatusCode)
	}
	c.say("late")
	must(t, c.Conn.(*net.TCPConn).CloseWrite())
	got, err := io.ReadAll(c.br)
	if string(got) != "got early late" || err != nil {
		t.Errorf("%q %v", got, err)
	}
}

func TestPlain(t *testing.T) {
	l := newLab(t, func(l *lab, p *Proxy) {
		p.Admit = func(host string, port uint16, scheme string) error {
			if host == "denied.test" {
				return &Refusal{Status: 403, Code: "denied", Message: "not in this run", Hint: "--allow-host"}
			}
			return nil
		}
	})
	listener := l.listen()
	l.resolve("alpha.test:80", listener.Addr().String())
	l.resolve("alpha.test:443", listener.Addr().String())
	var heads []string
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		heads = append(heads, r.Host+" "+r.RequestURI+" "+headerText(r.Header))
		_, _ = io.WriteString(w, "plain")
	})}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	for name, url := range map[string]string{"R011_B1": "http://alpha.test/x?y", "R012": "http://alpha.test:443/x?y"} {
		t.Run(name, func(t *testing.T) {
			heads = nil
			c := l.dial()
			host := strings.Split(url, "/")[2]
			c.say("GET " + url + " HTTP/1.1\nHost: " + host + "\nProxy-Authorization: Basic eDp5\nProxy-Connection: keep-alive\nX-A: b\nConnection: X-Hop\nX-Hop: 1\n\n")
			if a := c.answer("GET"); a.body != "plain" {
				t.Errorf("%d %q", a.StatusCode, a.body)
			}
			if want := host + " /x?y X-A: b\n"; len(heads) != 1 || heads[0] != want { // R042, R043
				t.Errorf("upstream saw %q, want %q", heads, want)
			}
		})
	}
	t.Run("deny_mode", func(t *testing.T) {
		for _, request := range []string{"GET http://denied.test/ HTTP/1.1\nHost: denied.test\n\n", "CONNECT denied.test:443 HTTP/1.1\nHost: denied.test\n\n"} {
			c := l.dial()
			c.say(request)
			a := c.answer("GET")
			want := `{"error":{"code":"denied","message":"not in this run","hint":"--allow-host"}}` + "\n"
			if a.StatusCode != 403 || a.Header.Get("Authsome-Error") != "denied" || a.body != want {
				t.Errorf("%d %q", a.StatusCode, a.body)
			}
		}
	})
	t.Run("host_mismatch", func(t *testing.T) {
		c := l.dial()
		c.say("GET http://alpha.test/ HTTP/1.1\nHost: evil.test\n\n")
		if a := c.answer("GET"); a.StatusCode != 421 {
			t.Errorf("%d", a.StatusCode)
		}
	})
}

func headerText(h http.Header) string {
	var b strings.Builder
	_ = h.Write(&b)
	return strings.ReplaceAll(b.String(), "\r\n", "\n")
}

func TestAbsoluteHTTPS(t *testing.T) {
	l := newLab(t, nil)
	alpha := l.serve("alpha.test:443", false, ok)
	for _, test := range []struct {
		name, target string
		status       int
	}{
		{"R013_B4", "https://alpha.test/x", 200},
		{"port", "https://alpha.test:443/x", 200},
		{"userinfo", "https://u:p@alpha.test/x", 400},
		{"fragment", "https://alpha.test/x#y", 400},
		{"scheme", "ftp://alpha.test/x", 400},
		{"slashes", "https://alpha.test//x", 400},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := len(alpha.seen())
			c := l.dial()
			c.say("GET " + test.target + " HTTP/1.1\nHost: alpha.test\n\n")
			if a := c.answer("GET"); a.StatusCode != test.status {
				t.Errorf("%d %s", a.StatusCode, a.body)
			}
			seen := alpha.seen()[before:]
			if test.status != 200 {
				if len(seen) != 0 {
					t.Error("forwarded")
				}
				return
			}
			if r := seen[0]; r.Header.Get("Authorization") != "Bearer "+canary || r.RequestURI != "/x" || r.TLS == nil {
				t.Errorf("%v %q", r.Header, r.RequestURI)
			}
		})
	}
}

func TestIdleConnectionsEndAtOnce(t *testing.T) {
	l := newLab(t, nil)
	l.serve("alpha.test:443", false, ok)
	for range 20 {
		c := l.tunnel("alpha.test")
		c.say("GET / HTTP/1.1\nHost: alpha.test\n\n")
		c.answer("GET")
		l.dial()
	}
	begin := time.Now()
	l.stop()
	if took := time.Since(begin); took > time.Second {
		t.Errorf("H024: shutdown took %v", took)
	}
}

package proxy

import (
	"encoding/base64"
	"net"
	"strings"
	"testing"
)

// TestPassword: where the system can't tell, only the password opens.
func TestPassword(t *testing.T) {
	l := newLab(t, func(_ *lab, p *Proxy) {
		p.identity.Store(&identity{}) // a system that can't tell
	})
	l.serve("alpha.test:443", false, ok)
	if !l.proxy.NeedsPassword() || len(l.proxy.Password) < 22 {
		t.Fatalf("password %q", l.proxy.Password)
	}
	if got := l.proxy.URL().String(); got != "http://authsome:"+l.proxy.Password+"@"+l.addr {
		t.Error(got)
	}
	basic := func(pair string) string {
		return "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(pair)) + "\n"
	}
	right := basic("authsome:" + l.proxy.Password)
	for _, target := range []string{"CONNECT alpha.test:443", "CONNECT evil.test:443", "GET http://alpha.test/", "GET https://alpha.test/", "GET /"} {
		for name, credentials := range map[string]string{
			"S011_none": "", "S012_wrong": basic("authsome:wrong"), "S012_empty": basic("authsome:"), "S012_prefix": basic("authsome:" + l.proxy.Password[:21]),
			"twice": right + right, "bearer": "Proxy-Authorization: Bearer " + l.proxy.Password + "\n", "not_base64": "Proxy-Authorization: Basic !!\n",
		} {
			c := l.dial()
			for range 2 { // the connection stays open: git needs that
				c.say(target + " HTTP/1.1\nHost: alpha.test\n" + credentials + "\n")
				a := c.answer("GET")
				if a.StatusCode != 407 || a.Header.Get("Content-Length") != "0" || !strings.HasPrefix(a.Header.Get("Proxy-Authenticate"), "Basic ") {
					t.Fatalf("%s %s: %d %v", target, name, a.StatusCode, a.Header)
				}
			}
		}
	}
	if l.contacts() != 0 {
		t.Error("something left")
	}
	c := l.dial()
	c.say("CONNECT alpha.test:443 HTTP/1.1\nHost: alpha.test\n\n")
	if a := c.answer("GET"); a.StatusCode != 407 {
		t.Error(a.StatusCode)
	}
	c.say("CONNECT alpha.test:443 HTTP/1.1\nHost: alpha.test\n" + right + "\n")
	if a := c.answer("CONNECT"); a.StatusCode != 200 {
		t.Errorf("right password: %d", a.StatusCode)
	}
}

// TestPortTaken_S015: a program that outlives its run may meet another process
// on the run's port. What it says there opens nothing: not the next run's
// proxy, and no other.
func TestPortTaken_S015(t *testing.T) {
	old := newLab(t, func(_ *lab, p *Proxy) { p.identity.Store(&identity{}) })
	stale, _ := old.proxy.URL().User.Password()
	old.stop()
	listener, err := net.Listen("tcp", old.addr)
	must(t, err) // nothing of the run holds the port
	_ = listener.Close()
	next := newLab(t, func(_ *lab, p *Proxy) { p.identity.Store(&identity{}) })
	next.serve("alpha.test:443", false, ok)
	if next.proxy.Password == stale {
		t.Fatal("two runs have one password")
	}
	c := next.dial()
	c.say("CONNECT alpha.test:443 HTTP/1.1\nHost: alpha.test\nProxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("authsome:"+stale)) + "\n\n")
	if a := c.answer("CONNECT"); a.StatusCode != 407 || next.contacts() != 0 {
		t.Errorf("a password of another run: %d", a.StatusCode)
	}
}

func TestListen(t *testing.T) {
	for _, address := range []string{"0.0.0.0:0", "[::]:0", ":0"} {
		if l, err := new(Proxy).Listen(t.Context(), address); err == nil {
			_ = l.Close()
			t.Errorf("listens on %s", address)
		}
	}
}

package proxy

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

func TestExpect(t *testing.T) {
	l := newLab(t, nil)
	early := l.raw("beta.test:443", nil, func(br *bufio.Reader, conn net.Conn) {
		if _, err := http.ReadRequest(br); err == nil {
			_, _ = io.WriteString(conn, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno")
			_, _ = io.Copy(io.Discard, br)
		}
	})
	l.serve("alpha.test:443", false, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = w.Write(body)
	})
	t.Run("continued", func(t *testing.T) {
		c := l.tunnel("alpha.test")
		c.say("POST / HTTP/1.1\nHost: alpha.test\nExpect: 100-continue\nContent-Length: 4\n\n")
		if a := c.answer("POST"); a.StatusCode != 100 {
			t.Fatalf("%d", a.StatusCode)
		}
		c.say("body")
		if a := c.answer("POST"); a.StatusCode != 200 || a.body != "body" {
			t.Errorf("%d %q", a.StatusCode, a.body)
		}
		c.say("GET / HTTP/1.1\nHost: alpha.test\n\n")
		if a := c.answer("GET"); a.StatusCode != 200 {
			t.Errorf("second request: %d", a.StatusCode)
		}
	})
	t.Run("R061_early", func(t *testing.T) {
		c := l.tunnel("beta.test")
		c.say("POST / HTTP/1.1\nHost: beta.test\nExpect: 100-continue\nContent-Length: 4\n\n")
		a := c.answer("POST")
		if a.StatusCode != 401 || a.body != "no" || !a.Close {
			t.Errorf("%d %q close %v", a.StatusCode, a.body, a.Close)
		}
		if n := strings.Count(early.got(), canary); n != 1 {
			t.Errorf("credential sent %d times", n)
		}
	})
}

// TestEarlyAnswer: the upstream answers while the child is still sending.
func TestEarlyAnswer(t *testing.T) {
	l := newLab(t, nil)
	l.raw("alpha.test:443", nil, func(br *bufio.Reader, conn net.Conn) {
		if _, err := http.ReadRequest(br); err == nil {
			_, _ = io.WriteString(conn, "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
		}
	})
	c := l.tunnel("alpha.test")
	c.say("POST / HTTP/1.1\nHost: alpha.test\nContent-Length: 1000000\n\nabc")
	if a := c.answer("POST"); a.StatusCode != 413 || a.body != "no" {
		t.Errorf("%d %q", a.StatusCode, a.body)
	}
	if !c.closed() {
		t.Error("connection goes on")
	}
}

func TestBrokenBody(t *testing.T) {
	l := newLab(t, nil)
	u := l.raw("alpha.test:443", nil, nil)
	c := l.tunnel("alpha.test")
	c.say("POST / HTTP/1.1\nHost: alpha.test\nTransfer-Encoding: chunked\n\n3\nabc\nzz\nGET /smuggled HTTP/1.1\nHost: alpha.test\n\n")
	if a := c.answer("POST"); a.StatusCode != 400 {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	if !c.closed() || strings.Contains(u.got(), "smuggled") {
		t.Error("connection goes on")
	}
}

func TestStreaming(t *testing.T) {
	l := newLab(t, nil)
	next := make(chan bool)
	l.serve("alpha.test:443", false, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.(http.Flusher).Flush()
		for range next {
			_, _ = io.WriteString(w, "data: x\n\n")
			w.(http.Flusher).Flush()
		}
	})
	t.Run("H020_events", func(t *testing.T) {
		c := l.tunnel("alpha.test")
		c.say("GET / HTTP/1.1\nHost: alpha.test\n\n")
		resp, err := http.ReadResponse(c.br, nil) // the head, before any event
		must(t, err)
		event := make([]byte, len("data: x\n\n"))
		for range 20 {
			next <- true
			if _, err := io.ReadFull(resp.Body, event); err != nil || string(event) != "data: x\n\n" {
				t.Fatalf("%q %v", event, err)
			}
		}
		close(next)
		if _, err := resp.Body.Read(event); !errors.Is(err, io.EOF) {
			t.Error(err)
		}
	})
}

// TestLargeBodies streams 16 MiB each way, with a redactor in the path.
func TestLargeBodies(t *testing.T) {
	const size = 16 << 20
	l := newLab(t, nil)
	sum := make(chan [32]byte, 1)
	l.serve("alpha.test:443", false, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "POST" {
			h := sha256.New()
			n, _ := io.Copy(h, r.Body)
			sum <- [32]byte(h.Sum(nil))
			_, _ = fmt.Fprint(w, n)
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(size))
		_, _ = io.Copy(w, io.LimitReader(new(counting), size))
	})
	client := &http.Client{Transport: l.transport(false)}
	want := sha256.New()
	_, _ = io.Copy(want, io.LimitReader(new(counting), size))
	for _, length := range []int64{size, -1} {
		r, err := http.NewRequest("POST", "https://alpha.test/", io.LimitReader(new(counting), size))
		must(t, err)
		r.ContentLength = length
		resp, err := client.Do(r)
		must(t, err)
		n, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if got := <-sum; string(n) != fmt.Sprint(size) || [32]byte(want.Sum(nil)) != got {
			t.Errorf("upload of length %d: %s", length, n)
		}
	}
	resp, err := client.Get("https://alpha.test/")
	must(t, err)
	defer resp.Body.Close()
	h := sha256.New()
	if _, err := io.Copy(h, resp.Body); err != nil || resp.ContentLength != size || [32]byte(h.Sum(nil)) != [32]byte(want.Sum(nil)) {
		t.Errorf("download: %v, length %d", err, resp.ContentLength)
	}
}

// counting is an endless stream of bytes that are not all the same.
type counting struct{ n uint64 }

func (c *counting) Read(p []byte) (int, error) {
	for i := range p {
		c.n = c.n*6364136223846793005 + 1442695040888963407
		p[i] = byte(c.n >> 56)
	}
	return len(p), nil
}

func TestAuthorizeFails(t *testing.T) {
	var done []string
	l := newLab(t, func(l *lab, p *Proxy) {
		p.Authorize = func(_ context.Context, r *http.Request) (Grant, error) {
			switch r.URL.Path {
			case "/refused":
				return Grant{}, &Refusal{Status: 502, Code: "expired", Message: "github/default: expired", Hint: "authsome login github", Provider: "github", Connection: "default"}
			case "/error":
				return Grant{}, errors.New("vault is locked")
			case "/panic":
				panic("secret " + canary)
			case "/elsewhere":
				r.URL.Host, r.Host, r.URL.Scheme = "evil.test", "evil.test", "http"
			}
			return Grant{Pool: "x", Done: func(status int, err error) { done = append(done, fmt.Sprint(status, err)) }}, nil
		}
	})
	alpha := l.serve("alpha.test:443", false, ok)
	c := l.tunnel("alpha.test")
	t.Run("R051_refusal", func(t *testing.T) {
		c.say("GET /refused HTTP/1.1\nHost: alpha.test\n\n")
		a := c.answer("GET")
		want := `{"error":{"code":"expired","message":"github/default: expired","hint":"authsome login github","provider":"github","connection":"default"}}` + "\n"
		if a.StatusCode != 502 || a.body != want || a.Header.Get("Authsome-Error") != "expired" {
			t.Errorf("%d %v %q", a.StatusCode, a.Header, a.body)
		}
	})
	t.Run("R051_error", func(t *testing.T) {
		c.say("GET /error HTTP/1.1\nHost: alpha.test\n\n") // on the same connection
		if a := c.answer("GET"); a.StatusCode != 502 || !strings.Contains(a.body, "vault is locked") {
			t.Errorf("%d %q", a.StatusCode, a.body)
		}
	})
	if len(alpha.seen()) != 0 || l.contacts() != 0 {
		t.Error("something left")
	}
	t.Run("destination_is_pinned", func(t *testing.T) {
		c.say("GET /elsewhere HTTP/1.1\nHost: alpha.test\n\n")
		if a := c.answer("GET"); a.StatusCode != 200 {
			t.Errorf("%d %q", a.StatusCode, a.body)
		}
		if r := alpha.seen()[0]; r.Host != "alpha.test" || len(done) != 1 || done[0] != "200 <nil>" {
			t.Errorf("%v %v", r.Host, done)
		}
	})
	t.Run("P031_panic", func(t *testing.T) {
		c.say("GET /panic HTTP/1.1\nHost: alpha.test\n\n")
		if !c.closed() {
			t.Error("connection goes on")
		}
		if e := l.reported("panic"); strings.Contains(e.Reason, canary) {
			t.Errorf("event %+v", e)
		}
		c := l.tunnel("alpha.test")
		c.say("GET / HTTP/1.1\nHost: alpha.test\n\n")
		if a := c.answer("GET"); a.StatusCode != 200 {
			t.Errorf("the run ended: %d", a.StatusCode)
		}
	})
}

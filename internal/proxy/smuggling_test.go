package proxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// mutants are the ways Transfer-Encoding has been spelled so that one of two
// servers does not see it.
func mutants() []string {
	all := []string{
		"Transfer-Encoding: chunked", "Transfer-Encoding:chunked", "Transfer-Encoding:\tchunked", "Transfer-Encoding\t: chunked",
		"Transfer-Encoding : chunked", " Transfer-Encoding: chunked", "\tTransfer-Encoding: chunked", "X: y\nTransfer-Encoding: chunked",
		"X: y\r\n Transfer-Encoding: chunked", "Transfer-Encoding\r\n : chunked", "Transfer-Encoding:\r\n chunked", "transfer-encoding: Chunked",
		"TRANSFER-ENCODING: CHUNKED", "Transfer_Encoding: chunked", "Transfer Encoding: chunked", "Transfer-Encoding: xchunked",
		"Transfer-Encoding: chunked, identity", "Transfer-Encoding: identity, chunked", "Transfer-Encoding: chunked, chunked",
		"Transfer-Encoding: \"chunked\"", "Transfer-Encoding: 'chunked'", "Transfer-Encoding: chunked;q=1", "Transfer-Encoding: chunked\r\nTransfer-Encoding: x",
		"Transfer-Encoding: x\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "Transfer-Encoding: , chunked",
		"Transfer-Encoding: chunked,", "Transfer-Encoding: gzip, chunked", "TrAnSFer-EnCODinG: cHuNkeD", "Content-Encoding: chunked", "Transfer-Encoding: ch\u212Aunked",
		"Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked", "Transfer-Encoding:", "Transfer-Encoding: \r\n", "Foo: bar\rTransfer-Encoding: chunked",
	}
	for _, c := range []byte{0, 1, 4, 8, 9, 0x0a, 0x0b, 0x0c, 0x0d, 0x1f, ' ', 0x7f, 0xa0, 0xff} {
		all = append(all,
			fmt.Sprintf("Transfer-Encoding:%cchunked", c), fmt.Sprintf("Transfer-Encoding: %cchunked", c), fmt.Sprintf("Transfer-Encoding: chunked%c", c),
			fmt.Sprintf("Transfer-Encoding%c: chunked", c), fmt.Sprintf("%cTransfer-Encoding: chunked", c), fmt.Sprintf("X: y%cTransfer-Encoding: chunked", c),
			fmt.Sprintf("Transfer%cEncoding: chunked", c))
	}
	return all
}

// TestSmuggling is H001: whatever a client sends, the upstream sees only
// requests that carry the credential, each framed in one way.
func TestSmuggling(t *testing.T) {
	l := newLab(t, nil)
	seen := new(strictUpstream)
	l.raw("alpha.test:443", nil, seen.talk)
	const smuggled = "GET /smuggled HTTP/1.1\r\nHost: alpha.test\r\nX: y\r\n\r\n"
	bodies := []string{
		"0\r\n\r\n" + smuggled, "5\r\nhello\r\n0\r\n\r\n" + smuggled, smuggled, "0\n\n" + smuggled, "0;x\r\n\r\n" + smuggled,
		"1\r\nZ\r\nQ\r\n\r\n" + smuggled, "0\r\nTransfer-Encoding: chunked\r\n\r\n" + smuggled,
	}
	sent := 0
	for _, mutant := range mutants() {
		for i, body := range bodies {
			lengths := []string{fmt.Sprintf("Content-Length: %d\r\n", len(body)), "Content-Length: 5\r\n", ""}
			length := lengths[i%len(lengths)]
			for _, head := range []string{length + mutant, mutant + "\r\n" + strings.TrimSuffix(length, "\r\n")} {
				c := l.tunnel("alpha.test")
				_, _ = io.WriteString(c.Conn, "POST /first HTTP/1.1\r\nHost: alpha.test\r\n"+strings.TrimSuffix(head, "\r\n")+"\r\n\r\n"+body)
				_ = c.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
				if resp, err := http.ReadResponse(c.br, nil); err == nil {
					_, _ = io.Copy(io.Discard, resp.Body)
				}
				_ = c.Close()
				sent++
			}
		}
	}
	seen.mu.Lock()
	defer seen.mu.Unlock()
	t.Logf("%d payloads, %d requests upstream", sent, seen.requests)
	if seen.requests == 0 || len(seen.wrong) > 0 {
		t.Errorf("upstream saw %q", seen.wrong)
	}
}

// strictUpstream reads requests as strictly as can be, and remembers those
// that are not exactly what the proxy should send.
type strictUpstream struct {
	mu       sync.Mutex
	requests int
	wrong    []string
}

func (u *strictUpstream) talk(br *bufio.Reader, conn net.Conn) {
	br = bufio.NewReaderSize(br, maxLine)
	for {
		r, _, err := readHead(context.Background(), br)
		var body io.Reader = http.NoBody
		switch {
		case err != nil:
			u.note(err.Error(), !errors.Is(err, io.EOF))
			return
		case r.ContentLength < 0:
			body = &chunkedReader{br: br}
		case r.ContentLength > 0:
			body = &fixedReader{br: br, left: r.ContentLength}
		}
		if _, err := io.Copy(io.Discard, body); err != nil {
			return // the client's own body was cut or refused
		}
		credentials := r.Header["Authorization"]
		u.note(fmt.Sprint(r.RequestURI, r.Header), len(credentials) != 1 || credentials[0] != "Bearer "+canary)
		if _, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"); err != nil {
			return
		}
	}
}

func (u *strictUpstream) note(what string, wrong bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.requests++
	if wrong {
		u.wrong = append(u.wrong, what)
	}
}

// TestMutated is H026: mutated requests harm nobody else.
func TestMutated(t *testing.T) {
	l := newLab(t, nil)
	l.raw("alpha.test:443", nil, nil)
	const request = "POST /x?y=z HTTP/1.1\r\nHost: alpha.test\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
	for i := range len(request) {
		for _, b := range []byte{0, '\n', '\r', ' ', ':', 0xff} {
			mutated := []byte(request)
			mutated[i] = b
			c := l.tunnel("alpha.test")
			_, _ = c.Conn.Write(mutated)
			if tcp, ok := c.Conn.(interface{ NetConn() net.Conn }); ok {
				_ = tcp.NetConn().Close()
			}
		}
	}
	c := l.tunnel("alpha.test")
	c.say("GET / HTTP/1.1\nHost: alpha.test\n\n")
	if a := c.answer("GET"); a.StatusCode != 200 {
		t.Errorf("%d", a.StatusCode)
	}
	l.stop()
	for _, e := range l.events {
		if e.Kind == KindPanic {
			t.Errorf("%+v", e)
		}
	}
}

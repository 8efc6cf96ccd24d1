package proxy

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestH1Spec is H013: the checks of uNetworking/h1spec inside a tunnel. What
// is not refused is answered by the upstream.
func TestH1Spec(t *testing.T) {
	l := newLab(t, nil)
	l.serve("alpha.test:443", false, ok)
	const host = "Host: alpha.test\r\n"
	for i, test := range []struct {
		what, request string
		want          []int // nil: the connection may also just wait for more
	}{
		{"fragmented method", "G", nil},
		{"fragmented target", "GET /hello", nil},
		{"fragmented version", "GET /hello HTTP/1.1", nil},
		{"fragmented line", "GET /hello HTTP/1.1\r", nil},
		{"fragmented field", "GET / HTTP/1.1\r\nHo", nil},
		{"fragmented end", "GET / HTTP/1.1\r\n" + host + "\r", nil},
		{"plain", "GET / HTTP/1.1\r\n" + host + "\r\n", []int{200}},
		{"upper case field", "GET / HTTP/1.1\r\nHOST: alpha.test\r\n\r\n", []int{200}},
		{"no space after colon", "GET / HTTP/1.1\r\nHost:alpha.test\r\n\r\n", []int{200}},
		{"spaces after colon", "GET / HTTP/1.1\r\nHost:   alpha.test   \r\n\r\n", []int{200}},
		{"empty value", "GET / HTTP/1.1\r\n" + host + "X-Empty:\r\n\r\n", []int{200}},
		{"no host", "GET / HTTP/1.1\r\n\r\n", []int{400}},
		{"empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", []int{400}},
		{"two hosts", "GET / HTTP/1.1\r\n" + host + host + "\r\n", []int{400}},
		{"space before colon", "GET / HTTP/1.1\r\nHost : alpha.test\r\n\r\n", []int{400}},
		{"space before name", "GET / HTTP/1.1\r\n Host: alpha.test\r\n\r\n", []int{400}},
		{"folded", "GET / HTTP/1.1\r\n" + host + "X: a\r\n b\r\n\r\n", []int{400}},
		{"empty name", "GET / HTTP/1.1\r\n" + host + ": x\r\n\r\n", []int{400}},
		{"bad name", "GET / HTTP/1.1\r\n" + host + "X[]: x\r\n\r\n", []int{400}},
		{"no colon", "GET / HTTP/1.1\r\n" + host + "X\r\n\r\n", []int{400}},
		{"nul in value", "GET / HTTP/1.1\r\n" + host + "X: \x00\r\n\r\n", []int{400}},
		{"carriage return in value", "GET / HTTP/1.1\r\n" + host + "X: a\rb\r\n\r\n", []int{400}},
		{"bare line feeds", "GET / HTTP/1.1\nHost: alpha.test\n\n", []int{400}},
		{"no version", "GET /\r\n\r\n", []int{400}},
		{"unknown version", "GET / HTTP/9.9\r\n" + host + "\r\n", []int{400, 505}},
		{"version in lower case", "GET / http/1.1\r\n" + host + "\r\n", []int{400}},
		{"extra word", "GET / HTTP/1.1 x\r\n" + host + "\r\n", []int{400}},
		{"tab in request line", "GET\t/ HTTP/1.1\r\n" + host + "\r\n", []int{400}},
		{"length is no number", "POST / HTTP/1.1\r\n" + host + "Content-Length: abc\r\n\r\n", []int{400}},
		{"negative length", "POST / HTTP/1.1\r\n" + host + "Content-Length: -5\r\n\r\n", []int{400}},
		{"two lengths", "POST / HTTP/1.1\r\n" + host + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", []int{400}},
		{"length and chunked", "POST / HTTP/1.1\r\n" + host + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", []int{400}},
		{"unknown coding", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", []int{400, 501}},
		{"bad chunk size", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\nZZ\r\nabc\r\n0\r\n\r\n", []int{400}},
		{"negative chunk size", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n-1\r\na\r\n0\r\n\r\n", []int{400}},
	} {
		t.Run(fmt.Sprintf("H013_%02d_%s", i+1, strings.ReplaceAll(test.what, " ", "_")), func(t *testing.T) {
			c := l.tunnel("alpha.test")
			_, err := io.WriteString(c.Conn, test.request)
			must(t, err)
			if test.want == nil {
				waitsForMore(t, c, test.request)
				return
			}
			a := c.answer("GET")
			for _, status := range test.want {
				if a.StatusCode == status {
					return
				}
			}
			t.Errorf("%d, want one of %v", a.StatusCode, test.want)
		})
	}
}

// waitsForMore wants no answer to a part of a request, and the right one to
// the whole.
func waitsForMore(t *testing.T, c *child, part string) {
	t.Helper()
	must(t, c.SetReadDeadline(time.Now().Add(20*time.Millisecond)))
	if b, err := c.br.Peek(1); err == nil {
		t.Fatalf("answered a part of a request: %q", b)
	}
	// A TLS connection is of no use after a timeout of a write only.
	must(t, c.SetReadDeadline(time.Now().Add(20*time.Second)))
	c.br.Reset(c.Conn)
	const target = "GET /hello HTTP/1.1\r\nHost: alpha.test\r\n\r\n"
	whole := strings.Replace(target, "/hello", "/", 1)
	if strings.HasPrefix(target, part) {
		whole = target
	}
	_, err := io.WriteString(c.Conn, strings.TrimPrefix(whole, part))
	must(t, err)
	if a := c.answer(http.MethodGet); a.StatusCode != 200 {
		t.Errorf("%d to a request in two pieces", a.StatusCode)
	}
}

package proxy

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"testing"
)

// BenchmarkRequest is one keep-alive request with an SDK's dozen fields and a
// 1 KiB answer, with and without redaction.
func BenchmarkRequest(b *testing.B) {
	const request = "GET /v1/models HTTP/1.1\r\nHost: alpha.test\r\nUser-Agent: sdk/1.0\r\nAccept: application/json\r\nAccept-Encoding: gzip\r\n" +
		"Authorization: Bearer authsome-proxy-managed\r\nContent-Type: application/json\r\nX-Stainless-Lang: python\r\nX-Stainless-Os: Linux\r\n" +
		"X-Stainless-Arch: x64\r\nX-Stainless-Runtime: CPython\r\nX-Request-Id: 1234567890\r\nConnection: keep-alive\r\n\r\n"
	body := make([]byte, 1024)
	for i := range body {
		body[i] = 'a' + byte(i%26)
	}
	response := "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1024\r\nDate: Tue, 24 Nov 2026 10:00:00 GMT\r\n\r\n" + string(body)
	for name, redact := range map[string][]string{"redacting": {canary, "Bearer " + canary}, "plain": nil} {
		b.Run(name, func(b *testing.B) {
			l := newLab(b, func(_ *lab, p *Proxy) {
				p.Authorize = func(_ context.Context, r *http.Request) (Grant, error) {
					r.Header["Authorization"] = []string{"Bearer " + canary}
					return Grant{Pool: "alpha", Redact: redact, Placeholder: placeholder}, nil
				}
			})
			l.raw("alpha.test:443", nil, func(br *bufio.Reader, conn net.Conn) {
				for {
					for {
						line, err := br.ReadSlice('\n')
						if err != nil {
							return
						}
						if len(line) == 2 {
							break
						}
					}
					if _, err := io.WriteString(conn, response); err != nil {
						return
					}
				}
			})
			c := l.tunnel("alpha.test")
			got := make([]byte, len(response))
			b.ReportAllocs()
			for b.Loop() {
				_, err := io.WriteString(c.Conn, request)
				must(b, err)
				_, err = io.ReadFull(c.br, got)
				must(b, err)
			}
		})
	}
}

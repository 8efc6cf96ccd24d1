package proxy

import (
	"bufio"
	"crypto/sha1" //nolint:gosec // RFC 6455
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

const handshake = "GET /ws HTTP/1.1\nHost: alpha.test\nConnection: keep-alive, Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n\n"

// acceptKey is computed here a second time, on purpose.
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) //nolint:gosec // RFC 6455
	return base64.StdEncoding.EncodeToString(sum[:])
}

func TestWebSocket(t *testing.T) {
	l := newLab(t, nil)
	// W001, W003: an echo, with a frame that comes together with the 101.
	u := l.raw("alpha.test:443", nil, func(br *bufio.Reader, conn net.Conn) {
		r, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Echo: "+
			r.Header.Get("Authorization")+"\r\nSec-WebSocket-Accept: "+acceptKey(r.Header.Get("Sec-WebSocket-Key"))+"\r\n\r\nfirst")
		_, _ = io.Copy(conn, br)
	})
	c := l.tunnel("alpha.test")
	c.say(handshake + "early ")
	resp, err := http.ReadResponse(c.br, &http.Request{Method: "GET"})
	must(t, err)
	if resp.StatusCode != 101 || resp.Header.Get("Upgrade") != "websocket" || resp.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Fatalf("%d %v", resp.StatusCode, resp.Header)
	}
	if got := resp.Header.Get("X-Echo"); got != placeholder {
		t.Errorf("W002: echo %q", got)
	}
	c.say("late")
	got := make([]byte, len("firstearly late"))
	if _, err := io.ReadFull(c.br, got); err != nil || string(got) != "firstearly late" {
		t.Errorf("%q %v", got, err)
	}
	if n := strings.Count(u.got(), canary); n != 1 {
		t.Errorf("credential sent %d times", n)
	}
	_ = c.Close()
}

func TestWebSocketRefused(t *testing.T) {
	for _, test := range []struct {
		name, upstream string
		status         int
	}{
		{"W005_forged_accept", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + acceptKey("other") + "\r\n\r\n", 502},
		{"W005_no_accept", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", 502},
		{"W005_other_protocol", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n", 502},
		{"W004_401", "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno", 401},
		{"W004_200", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno", 200},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := newLab(t, nil)
			l.raw("alpha.test:443", nil, func(br *bufio.Reader, conn net.Conn) {
				for {
					r, err := http.ReadRequest(br)
					if err != nil {
						return
					}
					if r.URL.Path == "/ws" {
						_, _ = io.WriteString(conn, test.upstream)
					} else {
						_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext")
					}
				}
			})
			c := l.tunnel("alpha.test")
			c.say(handshake)
			if a := c.answer("GET"); a.StatusCode != test.status {
				t.Errorf("%d %s", a.StatusCode, a.body)
			}
			c.say("GET / HTTP/1.1\nHost: alpha.test\n\n") // it is still HTTP
			if a := c.answer("GET"); a.body != "next" {
				t.Errorf("%d %s", a.StatusCode, a.body)
			}
		})
	}
}

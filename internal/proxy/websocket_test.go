package proxy

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1" //nolint:gosec // RFC 6455
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const handshake = "GET /ws HTTP/1.1\nHost: alpha.test\nConnection: keep-alive, Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n\n"

// acceptKey is computed here a second time, on purpose.
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) //nolint:gosec // RFC 6455
	return base64.StdEncoding.EncodeToString(sum[:])
}

// socket is a websocket with the test at both ends.
type socket struct {
	client  *child
	answer  *http.Response
	server  net.Conn
	input   *bufio.Reader // of the server
	request *http.Request // as the server got it
}

// socketLab is a lab whose upstream hands its websockets to the test.
type socketLab struct {
	*lab
	accepted chan *socket
	answer   string // fields of the 101, and what comes right behind it
}

// newSocketLab has a policy of the kinds that make a difference for frames.
func newSocketLab(t testing.TB, policy func(*http.Request) Grant) *socketLab {
	l := &socketLab{accepted: make(chan *socket), answer: "\r\n"}
	l.lab = newLab(t, func(_ *lab, p *Proxy) {
		p.Authorize = func(_ context.Context, r *http.Request) (Grant, error) { return policy(r), nil }
	})
	l.raw("alpha.test:443", nil, func(br *bufio.Reader, conn net.Conn) {
		r, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
			"Sec-WebSocket-Accept: "+acceptKey(r.Header.Get("Sec-WebSocket-Key"))+"\r\n"+l.answer)
		done := make(chan struct{})
		read, _ := br.Peek(br.Buffered()) // what comes from now on is not recorded
		input := bufio.NewReader(io.MultiReader(bytes.NewReader(bytes.Clone(read)), conn))
		l.accepted <- &socket{server: doneConn{conn, done}, input: input, request: r}
		<-done
	})
	return l
}

// doneConn tells when the test is through with it.
type doneConn struct {
	net.Conn
	done chan struct{}
}

func (c doneConn) Close() error      { close(c.done); return nil }
func (c doneConn) CloseWrite() error { return closeWrite(c.Conn) }

// open opens a websocket; early is sent with the handshake.
func (l *socketLab) open(head, early string) *socket {
	l.t.Helper()
	c := l.tunnel("alpha.test")
	c.say(head)
	_, err := io.WriteString(c.Conn, early)
	must(l.t, err)
	resp, err := http.ReadResponse(c.br, &http.Request{Method: "GET"})
	must(l.t, err)
	if resp.StatusCode != http.StatusSwitchingProtocols {
		body, _ := io.ReadAll(resp.Body)
		l.t.Fatalf("%d %s", resp.StatusCode, body)
	}
	s := <-l.accepted
	s.client, s.answer = c, resp
	return s
}

func (s *socket) close() {
	_ = s.server.Close()
	_ = s.client.Close()
}

// sends passes sent from one end to the other and returns what arrived: the
// sender ends its half, so the receiver sees an end.
func (s *socket) sends(t *testing.T, fromClient bool, sent []byte, piece int) []byte {
	t.Helper()
	from, to := s.server, io.Reader(s.client.br)
	if fromClient {
		from, to = s.client.Conn, s.input
	}
	go func() {
		for len(sent) > 0 {
			n, err := from.Write(sent[:min(piece, len(sent))])
			if err != nil {
				return // the proxy has ended it, which the other end sees
			}
			sent = sent[n:]
		}
		_ = closeWrite(from)
	}()
	got, _ := io.ReadAll(to) // however it ends
	return got
}

// The three policies: frames are copied, read in one direction, read in both.
func policies() map[string]func(*http.Request) Grant {
	redacting := func(r *http.Request) Grant {
		r.Header.Set("Authorization", "Bearer "+canary)
		return Grant{Pool: "redacting", Redact: []string{canary, "Bearer " + canary}, Placeholder: placeholder}
	}
	return map[string]func(*http.Request) Grant{
		"copied":   func(*http.Request) Grant { return Grant{Pool: "copied"} },
		"redacted": redacting,
		"replaced": func(r *http.Request) Grant {
			grant := redacting(r)
			grant.Pool = "replacing"
			grant.Message = func(text []byte) []byte { return bytes.ReplaceAll(text, []byte(placeholder), []byte(canary)) }
			return grant
		},
	}
}

func TestWebSocket(t *testing.T) {
	for name, policy := range policies() {
		t.Run("W001_W003_"+name, func(t *testing.T) {
			l := newSocketLab(t, policy)
			first, early, late := string(build(opText, false, []byte("first"))), string(build(opText, true, []byte("early"))), build(opBinary, true, []byte("late"))
			l.answer = "X-Echo: Bearer " + canary + "\r\nAlt-Svc: h3\r\n\r\n" + first
			s := l.open(handshake, early)
			defer s.close()
			wantAuthorization, wantEcho := "Bearer "+canary, placeholder
			if name == "copied" {
				wantAuthorization, wantEcho = "", "Bearer "+canary
			}
			if got := s.request.Header.Get("Authorization"); got != wantAuthorization {
				t.Errorf("Authorization: %s", got)
			}
			want := http.Header{
				"Upgrade": {"websocket"}, "Connection": {"Upgrade"}, "X-Echo": {wantEcho}, "Sec-Websocket-Accept": {"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="},
			}
			if diff := cmp.Diff(want, s.answer.Header); diff != "" {
				t.Error(diff)
			}
			if got := s.sends(t, true, late, len(late)); string(got) != early+string(late) {
				t.Errorf("server got %q", got)
			}
			// The client has ended its half, and the server goes on.
			if got := s.sends(t, false, build(opText, false, []byte("last")), 1); string(got) != first+string(build(opText, false, []byte("last"))) {
				t.Errorf("client got %q", got)
			}
		})
	}
}

func TestWebSocketRefused(t *testing.T) {
	for _, test := range []struct {
		name, upstream string
		status         int
	}{
		{"W005_forged_accept", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + acceptKey("other") + "\r\n\r\n", 502},
		{"W005_no_accept", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", 502},
		{"W005_other_protocol", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n", 502},
		{"W005_extension", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n", 502},
		{"W004_401", "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno", 401},
		{"W004_426", "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 2\r\n\r\nno", 426},
		{"W004_301", "HTTP/1.1 301 Moved\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n", 301},
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

// TestWebSocketExtensions: compressed frames can't be searched, so no
// extension is offered where they have to be.
func TestWebSocketExtensions(t *testing.T) {
	const field = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\n"
	for name, policy := range policies() {
		t.Run(name, func(t *testing.T) {
			l := newSocketLab(t, policy)
			want := []string(nil)
			if name == "copied" {
				l.answer = "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
				want = []string{"permessage-deflate; client_max_window_bits"}
			}
			s := l.open(strings.Replace(handshake, "\n\n", "\n"+field+"sec_websocket_extensions: x\n\n", 1), "")
			defer s.close()
			if diff := cmp.Diff(want, s.request.Header[extensionsField]); diff != "" {
				t.Error(diff)
			}
			if other := s.request.Header["Sec_websocket_extensions"]; (other == nil) != (want == nil) {
				t.Error(other)
			}
			if got := s.answer.Header.Get(extensionsField); (got == "") != (want == nil) {
				t.Error(got)
			}
		})
	}
}

// TestWebSocketUnclaimed is W010: nothing of it is read.
func TestWebSocketUnclaimed_W010(t *testing.T) {
	l := newLab(t, nil)
	got := make(chan string, 1)
	l.raw("other.test:443", nil, func(br *bufio.Reader, conn net.Conn) {
		head, _ := br.Peek(br.Buffered() + 1)
		head, _ = br.Peek(br.Buffered())
		got <- string(head)
		_, _ = io.WriteString(conn, "anything \xff")
	})
	c, err := l.secure(l.connect("other.test:443"), &tls.Config{ServerName: "other.test", RootCAs: l.web.pool()})
	must(t, err)
	const odd = "GET /ws HTTP/1.1\r\nUpgrade: websocket, nonsense\r\nOrigin: https://evil.example\r\n\r\n\xf1\x7f"
	_, err = io.WriteString(c.Conn, odd)
	must(t, err)
	if head := <-got; head != odd {
		t.Errorf("%q", head)
	}
	if answer, _ := io.ReadAll(c.br); string(answer) != "anything \xff" {
		t.Errorf("%q", answer)
	}
}

// TestWebSocketReflected is W009: the handshake comes back as a message, in
// one frame and in many, in text, binary and control frames.
func TestWebSocketReflected_W009(t *testing.T) {
	l := newSocketLab(t, policies()["redacted"])
	s := l.open(handshake, "")
	defer s.close()
	secret := []byte(`{"authorization":"Bearer ` + canary + `"}`)
	clean := []byte(`{"authorization":"` + filled("Bearer "+canary) + `"}`)
	var sent, want []byte
	for _, opcode := range []byte{opText, opBinary, opClose + 1} {
		sent = append(sent, build(opcode, false, secret)...)
		want = append(want, build(opcode, false, clean)...)
	}
	sent, want = append(sent, shatter(opText, secret, 1)...), append(want, shatter(opText, clean, 1)...)
	reason := func(s string) []byte { return build(opClose, false, []byte("\x03\xe8"+s)) }
	sent, want = append(sent, reason(canary)...), append(want, reason(filled(canary))...)
	if got := s.sends(t, false, sent, 7); !bytes.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
}

// TestWebSocketBig_W006: a message of 256 MiB where frames are read.
func TestWebSocketBig_W006(t *testing.T) {
	const size = 256 << 20
	for name, fromClient := range map[string]bool{"redacted": false, "replaced": true} {
		t.Run(name, func(t *testing.T) {
			l := newSocketLab(t, policies()[name])
			s := l.open(handshake, "")
			defer s.close()
			from, to := s.server, io.Reader(s.client.br)
			var key []byte
			if fromClient {
				from, to, key = s.client.Conn, s.input, []byte{1, 2, 3, 4}
			}
			must(t, s.client.SetDeadline(time.Now().Add(5*time.Minute)))
			sent, got := sha256.New(), sha256.New()
			done := make(chan error, 1)
			before := heapSys()
			go func() {
				out := io.MultiWriter(from, sent)
				_, _ = out.Write(appendFrame(nil, opText, key, size))
				_, err := io.CopyBuffer(struct{ io.Writer }{out}, io.LimitReader(new(counting), size), make([]byte, 1<<16))
				_ = closeWrite(from)
				done <- err
			}()
			n, err := io.Copy(got, to)
			must(t, <-done)
			if err != nil || n < size || !bytes.Equal(got.Sum(nil), sent.Sum(nil)) {
				t.Errorf("%d bytes, %v", n, err)
			}
			if grown := heapSys() - before; grown > 32<<20 {
				t.Errorf("%d bytes of memory", grown)
			}
		})
	}
}

// heapSys is the memory that the heap has ever had from the system.
func heapSys() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapSys)
}

package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// withHead is the longest body that is read whole and sent in one write with
// its head. It can be sent again.
const withHead = 32 << 10

// message is a request as it is written: its head, and a short body.
type message struct {
	out  *http.Request
	buf  *output // head and body
	rest bool    // the body is not in buf
}

// write writes out's head, and reads its body if that is short.
func (m *message) write(x *exchange) (err error) {
	if m.buf.buf, err = x.appendHead(m.buf.buf, m.out); err == nil && m.isShort() {
		err = m.takeBody()
	}
	return err
}

func (m *message) release() { m.buf.release() }

func (m *message) isShort() bool {
	return m.rest && 0 < m.out.ContentLength && m.out.ContentLength <= withHead && len(m.out.Header["Expect"]) == 0
}

func (m *message) takeBody() error {
	begin, length := len(m.buf.buf), int(m.out.ContentLength)
	m.buf.buf = slices.Grow(m.buf.buf, length)[:begin+length]
	if _, err := io.ReadFull(m.out.Body, m.buf.buf[begin:]); err != nil {
		return cut(err)
	}
	m.rest = false
	return nil
}

// appendHead appends out's head in the order and spelling of the client's.
func (x *exchange) appendHead(b []byte, out *http.Request) ([]byte, error) {
	b = append(append(b, out.Method...), ' ')
	start := len(b)
	b = appendTarget(b, out)
	if badTarget(string(b[start:])) || len(b) == start {
		return b, errAuthorized
	}
	b = append(b, " HTTP/1.1\r\n"...)
	header := out.Header
	header["Host"] = []string{out.Host}
	if x.lines.count("Host") == 0 {
		b = appendField(b, "Host", out.Host)
		delete(header, "Host")
	}
	if length := framing(out); length != "" {
		header["Content-Length"] = []string{length}
	} else if out.ContentLength < 0 {
		header["Transfer-Encoding"] = []string{"chunked"}
	}
	if out.ContentLength < 0 && len(out.Trailer) > 0 {
		header["Trailer"] = []string{trailerNames(out.Trailer)}
	}
	b, err := appendFields(b, header, x.lines)
	for _, key := range []string{"Host", "Content-Length", "Transfer-Encoding", "Trailer"} {
		delete(header, key)
	}
	return append(b, "\r\n"...), err
}

// appendTarget appends what stands between the method and the version.
func appendTarget(b []byte, out *http.Request) []byte {
	if strings.HasPrefix(out.URL.Opaque, "//") {
		b = append(append(b, out.URL.Scheme...), ':')
	}
	b = append(b, out.URL.Opaque...)
	if out.URL.ForceQuery || out.URL.RawQuery != "" {
		b = append(append(b, '?'), out.URL.RawQuery...)
	}
	return b
}

// framing is the Content-Length of out, "" for none (RFC 9110 section 8.6).
func framing(out *http.Request) string {
	switch {
	case out.ContentLength > 0:
		return strconv.FormatInt(out.ContentLength, 10)
	case out.ContentLength == 0 && (out.Method == http.MethodPost || out.Method == http.MethodPut || out.Method == http.MethodPatch):
		return "0"
	}
	return ""
}

func trailerNames(trailer http.Header) string {
	names := make([]string, 0, len(trailer))
	for name := range trailer {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// roundTripHTTP1 sends out on an idle connection, or on a new one. A
// connection that the server has just closed is told from a server that fails
// by trying once more, where that can't do anything twice.
func (p *upstream) roundTripHTTP1(out *http.Request, i *interim) (*http.Response, error) {
	m := &message{out: out, buf: newOutput(nil, nil), rest: out.Body != http.NoBody}
	defer m.release()
	if err := m.write(i.x); err != nil {
		return nil, err
	}
	c, err := p.idleOrPlace(out.Context(), !m.rest)
	for idle := c; idle != nil; idle = p.get(false) {
		before := idle.socket.written
		resp, err := idle.roundTrip(m, i)
		if err == nil {
			return resp, nil
		}
		written := idle.socket.written > before
		if !m.mayRepeat(err, i, written) {
			return nil, err
		}
		if written {
			break
		}
	}
	if c != nil {
		err = p.place(out.Context())
	}
	if err != nil {
		return nil, err
	}
	c, err = p.dial(out.Context())
	<-p.dials
	if err != nil {
		return nil, err
	}
	return c.roundTrip(m, i)
}

// idleOrPlace returns an idle connection, or nil and a place to dial in. Who
// waits for a place takes the connection that another one gives back.
func (p *upstream) idleOrPlace(ctx context.Context, held bool) (*upstreamConn, error) {
	if c := p.get(held); c != nil {
		return c, nil
	}
	if err := p.place(ctx); err != nil {
		return nil, err
	}
	c := p.get(held)
	if c != nil {
		<-p.dials
	}
	return c, nil
}

// place waits for a place among the handshakes under way.
func (p *upstream) place(ctx context.Context) error {
	select {
	case p.dials <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// mayRepeat reports whether m can be sent again after err on a connection that
// had been idle (RFC 9110 section 9.2.2, RFC 9112 section 9.3.1).
func (m *message) mayRepeat(err error, i *interim, written bool) bool {
	if m.rest || i.count > 0 || m.out.Context().Err() != nil || !isClosed(err) {
		return false
	}
	if !written {
		return true
	}
	switch m.out.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete:
		return true
	}
	return m.out.Header["Idempotency-Key"] != nil || m.out.Header["X-Idempotency-Key"] != nil
}

// errPartial is a response that ended in its head.
var errPartial = errors.New("connection closed in the middle of a response's head")

// isClosed reports whether err says that the server had closed the connection
// and had not answered.
func isClosed(err error) bool {
	if errors.Is(err, errPartial) {
		return false
	}
	for _, target := range []error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE, net.ErrClosed} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// roundTrip has the connection for one exchange, until the response's body has
// ended or is closed.
func (c *upstreamConn) roundTrip(m *message, i *interim) (*http.Response, error) {
	ctx := m.out.Context()
	c.acquire()
	body := &answerBody{conn: c, ctx: ctx}
	body.stop = context.AfterFunc(ctx, c.abort)
	_, err := c.Write(m.buf.buf)
	if err == nil && c.socket.holding {
		err = c.ask()
	}
	if err == nil {
		if m.rest {
			body.upload = startUpload(c, m.out)
		}
		err = body.readHead(m.out.Method, i)
	}
	if err != nil {
		return nil, body.fail(err)
	}
	return body.resp, nil
}

// ask has the socket write what it holds and waits for the answer. What is there
// without that is none.
func (c *upstreamConn) ask() error {
	_, err := c.br.Peek(1)
	if err == nil && c.socket.holding {
		return errHeard{}
	}
	return err
}

// abort ends whatever the exchange waits for.
func (c *upstreamConn) abort() { _ = c.SetDeadline(longAgo) }

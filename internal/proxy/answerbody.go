package proxy

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/textproto"
)

// answerBody is the body of an upstream's response. It holds the connection
// until it has ended.
type answerBody struct {
	conn   *upstreamConn
	ctx    context.Context // of the exchange
	resp   *http.Response
	lines  fields
	upload *upload // nil when the request is sent
	stop   func() bool
	src    io.Reader
	fixed  fixedReader // is src for a body of known length
	err    error       // why nothing more can be read, nil as long as the connection is held
}

// readHead reads up to the final response's head, and passes on what is
// before it.
func (b *answerBody) readHead(method string, i *interim) error {
	for {
		if _, err := b.conn.br.Peek(1); err != nil {
			return err
		}
		resp, lines, err := readAnswer(b.conn.br, method)
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return errors.Join(errPartial, err)
		}
		if err != nil {
			return err
		}
		if resp.StatusCode >= 200 || resp.StatusCode == http.StatusSwitchingProtocols {
			b.begin(resp, lines, method)
			return nil
		}
		if err := i.relay(resp.StatusCode, textproto.MIMEHeader(resp.Header)); err != nil {
			return err
		}
	}
}

// begin gives resp its body.
func (b *answerBody) begin(resp *http.Response, lines fields, method string) {
	b.resp, b.lines, resp.Body = resp, lines, b
	switch br := b.conn.br; {
	case resp.StatusCode == http.StatusSwitchingProtocols:
		resp.Body = &switched{answerBody: b}
	case isBodiless(resp.StatusCode, method), resp.ContentLength == 0:
		b.end(io.EOF)
	case resp.TransferEncoding != nil:
		b.src = &chunkedReader{br: br}
	case resp.ContentLength > 0:
		b.fixed = fixedReader{br: br, left: resp.ContentLength}
		b.src = &b.fixed
	default:
		b.src = br
	}
}

func (b *answerBody) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.read(p)
	if err != nil {
		b.end(b.explain(ofAnswer(err)))
	}
	return n, b.err
}

func (b *answerBody) read(p []byte) (int, error) {
	if f, ok := b.src.(*fixedReader); ok {
		return f.gather(b.conn.socket, p)
	}
	return b.src.Read(p)
}

// peek waits for a body of that length and returns it without taking it. It
// returns nil for one that is not there in whole, which reading it explains,
// or that is longer than the connection's buffer.
func (b *answerBody) peek(length int64) []byte {
	if f, ok := b.src.(*fixedReader); !ok || f.left != length || length > maxLine {
		return nil
	}
	text, err := b.conn.br.Peek(int(length))
	if err != nil {
		return nil
	}
	return text
}

// Close gives the connection back, or closes it when the body was not read to
// its end.
func (b *answerBody) Close() error {
	if b.err == nil {
		b.end(b.skip())
	}
	return nil
}

// skip reads what is there already of a body that nobody wants.
func (b *answerBody) skip() error {
	if f, ok := b.src.(*fixedReader); ok && f.left <= int64(b.conn.br.Buffered()) {
		_, _ = b.conn.br.Discard(int(f.left))
		return io.EOF
	}
	return errBodyClosed
}

// end lets go of the connection. It can be used again after io.EOF, the body's
// proper end, when the request was sent whole as well.
func (b *answerBody) end(err error) {
	b.err = err
	if c, ok := b.src.(*chunkedReader); ok && errors.Is(err, io.EOF) {
		b.takeTrailer(c.trailer)
	}
	sent := b.upload.end()
	alive := b.stop()
	b.conn.release(errors.Is(err, io.EOF) && sent && alive && !b.resp.Close)
}

func (b *answerBody) takeTrailer(trailer http.Header) {
	for name, values := range trailer {
		if b.resp.Trailer == nil {
			b.resp.Trailer = make(http.Header)
		}
		b.resp.Trailer[name] = values
	}
}

// fail ends an exchange that has no response, and returns the true reason.
func (b *answerBody) fail(err error) error {
	b.upload.hurry()
	b.conn.abort()
	b.upload.end()
	err = b.explain(err)
	b.stop()
	b.conn.release(false)
	return err
}

// explain finds what is behind the error of a connection that was aborted.
func (b *answerBody) explain(err error) error {
	if errors.Is(err, io.EOF) && b.resp != nil {
		return err
	}
	if b.ctx.Err() != nil {
		return context.Cause(b.ctx)
	}
	if cause := b.upload.failure(); cause != nil {
		return cause
	}
	return err
}

// whileWaiting has flush called each time before the body has to be waited
// for.
func (b *answerBody) whileWaiting(flush func() error) {
	if b.err != nil {
		return
	}
	b.conn.socket.waiting = func() {
		if flush() != nil {
			b.conn.abort()
		}
	}
}

// switched is the connection after a 101, in the protocol that follows.
type switched struct{ *answerBody }

func (s *switched) Read(p []byte) (int, error)  { return s.conn.br.Read(p) }
func (s *switched) Write(p []byte) (int, error) { return s.conn.Write(p) }

// CloseWrite ends our half.
func (s *switched) CloseWrite() error { return closeWrite(s.conn.Conn) }

// Close ends the connection.
func (s *switched) Close() error {
	s.stop()
	return s.conn.Close()
}

package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
)

const (
	// streamWindow is what a peer may send on a stream that is not read, and
	// connWindow on all streams of a connection. The second leaves room for
	// others when many are not read.
	streamWindow = 1 << 20
	connWindow   = 16 << 20

	// withoutHTTP2 is how long a server that did not negotiate HTTP/2 is asked
	// in HTTP/1.1.
	withoutHTTP2 = 10 * time.Minute
	// writeStall is how long a server may read nothing of a connection on
	// which all streams wait then.
	writeStall = time.Minute
	// maxAttempts bounds the connections that are tried for a request of which
	// nothing has left.
	maxAttempts = 3
)

var errNoHTTP2 = errors.New("the server does not speak HTTP/2")

// http2Pool are the HTTP/2 connections of a pool. A request of which anything
// has left is never sent again.
type http2Pool struct {
	engine *http2.Transport // makes connections of what dial returns
	dial   func(context.Context) (*tls.Conn, error)

	mu      sync.Mutex // guards what follows
	conns   []*http2.ClientConn
	dialing *http2Dial
	without time.Time // until when there is no HTTP/2
}

// http2Dial is one attempt to connect, for all who wait for it.
type http2Dial struct {
	done chan struct{} // closed when err is final
	err  error
}

// newHTTP2Engine bounds what a server can make us keep. There is no limit on
// the time a response takes, and none on a stream's: a stream may be silent for
// hours. Nothing is asked with PING: gRPC servers end connections for that.
func newHTTP2Engine() *http2.Transport {
	engine, err := http2.ConfigureTransports(&http.Transport{
		DisableCompression:     true,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 256 << 10,
		HTTP2: &http.HTTP2Config{
			MaxReceiveBufferPerStream:     streamWindow,
			MaxReceiveBufferPerConnection: connWindow,
			MaxEncoderHeaderTableSize:     1, // no room for a field: see neverIndexed
			WriteByteTimeout:              writeStall,
		},
	})
	if err != nil {
		panic(err) // only for a transport that is in use
	}
	return engine
}

// roundTrip sends out on a connection that has room for it. It returns
// errNoHTTP2, with out as it was, when the server negotiates something else.
func (p *http2Pool) roundTrip(out *http.Request, i *interim) (*http.Response, error) {
	for attempt := 1; ; attempt++ {
		conn, fresh, err := p.reserve(out.Context())
		if err != nil {
			return nil, err
		}
		resp, sent, err := roundTripOnce(conn, out, i)
		if err == nil || sent || fresh || attempt == maxAttempts {
			return resp, err
		}
	}
}

// roundTripOnce reports whether anything of out was sent. If not, its body was
// neither read nor closed.
func roundTripOnce(conn *http2.ClientConn, out *http.Request, i *interim) (*http.Response, bool, error) {
	var sent atomic.Bool
	ctx := httptrace.WithClientTrace(out.Context(), &httptrace.ClientTrace{
		Got1xxResponse: i.relay,
		WroteHeaders:   func() { sent.Store(true) },
	})
	once := out.WithContext(ctx)
	if out.Body != http.NoBody {
		once.Body = &unsentBody{ReadCloser: out.Body, sent: &sent}
	}
	resp, err := conn.RoundTrip(once)
	return resp, sent.Load(), err
}

// unsentBody is not closed before the request's head was sent, so that it can
// be sent on another connection.
type unsentBody struct {
	io.ReadCloser
	sent   *atomic.Bool
	closed atomic.Bool
}

func (b *unsentBody) Read(p []byte) (int, error) {
	if b.closed.Load() {
		return 0, errBodyClosed
	}
	return b.ReadCloser.Read(p)
}

func (b *unsentBody) Close() error {
	b.closed.Store(true)
	if !b.sent.Load() {
		return nil
	}
	return b.ReadCloser.Close()
}

// reserve returns a connection with a place for one request, and whether it was
// made for it.
func (p *http2Pool) reserve(ctx context.Context) (conn *http2.ClientConn, fresh bool, err error) {
	for {
		conn, dial, mine, err := p.take()
		switch {
		case conn != nil || err != nil:
			return conn, false, err
		case mine:
			conn, err := p.connect(ctx, dial)
			return conn, true, err
		}
		select {
		case <-dial.done:
		case <-ctx.Done():
			return nil, false, ctx.Err()
		}
		if dial.err != nil && !errors.Is(dial.err, context.Canceled) { // or its client has gone, and we are there
			return nil, false, dial.err
		}
	}
}

// take returns a connection that has a place, or the dial to wait for, which is
// the caller's own to do if mine.
func (p *http2Pool) take() (conn *http2.ClientConn, dial *http2Dial, mine bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range p.conns {
		if conn.ReserveNewRequest() {
			return conn, nil, false, nil
		}
	}
	if time.Now().Before(p.without) {
		return nil, nil, false, errNoHTTP2
	}
	if p.dialing == nil {
		p.dialing, mine = &http2Dial{done: make(chan struct{})}, true
	}
	return nil, p.dialing, mine, nil
}

// connect does dial, and returns the new connection with a place taken.
func (p *http2Pool) connect(ctx context.Context, dial *http2Dial) (*http2.ClientConn, error) {
	conn, err := p.open(ctx)
	if err == nil && !conn.ReserveNewRequest() {
		err = io.ErrUnexpectedEOF
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns = slices.DeleteFunc(p.conns, ended)
	switch {
	case err == nil:
		p.conns = append(p.conns, conn)
	case errors.Is(err, errNoHTTP2):
		p.without = time.Now().Add(withoutHTTP2)
	}
	p.dialing, dial.err = nil, err
	close(dial.done)
	return conn, err
}

func (p *http2Pool) open(ctx context.Context) (*http2.ClientConn, error) {
	conn, err := p.dial(ctx)
	if err != nil {
		return nil, err
	}
	if conn.ConnectionState().NegotiatedProtocol != http2.NextProtoTLS {
		_ = conn.Close()
		return nil, errNoHTTP2
	}
	return p.engine.NewClientConn(&neverIndexed{Conn: conn})
}

// ended reports whether a connection takes no more requests, ever.
func ended(conn *http2.ClientConn) bool {
	state := conn.State()
	return state.Closed || state.Closing
}

// close ends the connections that carry no request, and has the others end
// after their last.
func (p *http2Pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range p.conns {
		conn.SetDoNotReuse()
		if state := conn.State(); state.StreamsActive+state.StreamsReserved+state.StreamsPending == 0 {
			_ = conn.Close()
		}
	}
	p.conns = nil
}

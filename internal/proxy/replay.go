package proxy

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"sync"
)

// maxKept is how much of a request's body is kept for sending it again.
const maxKept = 64 << 10

// keptBody keeps what it passes on, up to maxKept.
type keptBody struct {
	io.ReadCloser

	mu    sync.Mutex // a transport may still read when the answer is there
	kept  bytes.Buffer
	whole bool // the end was read, and all before it was kept
	over  bool // it was too long
}

// keepBody sees to it that a request whose credential may be renewed can be
// sent again. Trailers and upgrades are not repeated.
func (x *exchange) keepBody(out *http.Request) {
	if x.grant.Renew == nil || out.Trailer != nil || x.websocket != "" || out.ContentLength > maxKept {
		return
	}
	x.body = &keptBody{ReadCloser: out.Body, whole: out.Body == http.NoBody}
	if !x.body.whole {
		out.Body = x.body
	}
}

func (b *keptBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over = b.over || b.kept.Len()+n > maxKept; b.over {
		b.kept = bytes.Buffer{}
		return n, err
	}
	b.kept.Write(p[:n])
	b.whole = b.whole || errors.Is(err, io.EOF)
	return n, err
}

// again returns the body once more, or false when it was not sent whole. A
// transport that knows the length need not read the end.
func (b *keptBody) again(length int64) (io.ReadCloser, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over || !b.whole && int64(b.kept.Len()) != length {
		return nil, false
	}
	if b.kept.Len() == 0 {
		return http.NoBody, true
	}
	return io.NopCloser(bytes.NewReader(b.kept.Bytes())), true
}

// renew returns the request to send after a 401, with another credential on
// it, or nil.
func (s *server) renew(out *http.Request, x *exchange) *http.Request {
	if x.body == nil {
		return nil
	}
	body, ok := x.body.again(out.ContentLength)
	if !ok {
		return nil
	}
	second := out.Clone(out.Context())
	second.URL.Opaque = "" // prepare sets it anew
	second.Body = body
	grant, ok := x.grant.Renew(second.Context(), second)
	if !ok {
		return nil
	}
	if err := x.pin(second); err != nil {
		grant.done(0, err)
		return nil
	}
	x.grant, x.body = grant, nil
	return second
}

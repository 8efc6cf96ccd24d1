package inject

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
)

// Bounds of bodies that have to be read whole, because the client signed their
// hash and did not say which it is.
const (
	maxHashed = 16 << 20  // of one request, in bytes
	maxHeld   = 256 << 20 // of all requests at a time
)

// heldBodies counts the bytes of the bodies that are in memory.
type heldBodies struct{ bytes atomic.Int64 }

// hash reads the body, leaves a copy in its place and returns its hash.
func (h *heldBodies) hash(r *http.Request) (string, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return sha256Hex(nil), nil
	}
	room := r.ContentLength
	if room < 0 {
		room = maxHashed
	}
	if room > maxHashed {
		return "", errLongBody
	}
	if h.bytes.Add(room) > maxHeld {
		h.bytes.Add(-room)
		return "", fmt.Errorf("%w: too many bodies wait for their signature; send fewer at a time", ErrSigning)
	}
	release := sync.OnceFunc(func() { h.bytes.Add(-room) })
	data, err := readBody(r.Body, room)
	if err != nil {
		release()
		return "", err
	}
	context.AfterFunc(r.Context(), release)
	r.Body = &heldBody{Reader: bytes.NewReader(data), Closer: r.Body, release: release}
	return sha256Hex(data), nil
}

var errLongBody = fmt.Errorf("%w: the body is longer than %d MiB, and the client does not declare its hash in %s", ErrSigning, maxHashed>>20, headerPayload)

func readBody(body io.Reader, room int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(body, room+1))
	if err != nil {
		return nil, fmt.Errorf("%w: the body can't be read: %w", ErrSigning, err)
	}
	if int64(len(data)) > room {
		return nil, errLongBody
	}
	return data, nil
}

// heldBody is a body that was read. It is let go when it has been sent:
// whoever knows its length may neither read its end nor close it.
type heldBody struct {
	*bytes.Reader
	io.Closer
	release func()
}

func (b *heldBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if b.Len() == 0 {
		b.release()
	}
	return n, err
}

// WriteTo is hidden: it would pass by Read.
func (b *heldBody) WriteTo(w io.Writer) (int64, error) {
	return io.Copy(w, struct{ io.Reader }{b})
}

func (b *heldBody) Close() error {
	b.release()
	return b.Closer.Close()
}

// letGo lets go of a body that will not be sent.
func letGo(r *http.Request) {
	if b, ok := r.Body.(*heldBody); ok {
		b.release()
	}
}

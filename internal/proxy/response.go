package proxy

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

var errTooLong = errors.New("response body longer than its Content-Length")

// response writes one HTTP/1 response. It is an http.ResponseWriter with a
// stricter idea of framing than net/http's: the length that was announced is
// the length that is sent, or the connection is aborted.
type response struct {
	h      *http1
	r      *http.Request
	body   *requestBody
	header http.Header
	sent   fields // the lines of the request's head
	lines  fields // of the upstream's response, the order that its fields are to have

	mu       sync.Mutex // 1xx responses come from the upstream's goroutines
	status   int        // 0 until the final head is written
	left     int64      // of a fixed-length body
	chunked  bool
	fixed    bool
	bodiless bool // HEAD, 204, 304
	close    bool // the connection ends with this response
	taken    bool // the connection is no longer HTTP
}

// Header is made when it is asked for.
func (w *response) Header() http.Header {
	if w.header == nil {
		w.header = make(http.Header)
	}
	return w.header
}

// WriteHeader writes the head with the Content-Length that is set, or with
// the framing the client understands. 1xx responses may come before.
func (w *response) WriteHeader(status int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.status != 0 {
		return
	}
	if status < 200 && status != http.StatusSwitchingProtocols {
		w.writeInterim(status)
		return
	}
	w.status = status
	w.frame()
	w.writeHead(status)
}

func (w *response) writeInterim(status int) {
	if w.r.ProtoMinor == 0 {
		return
	}
	w.writeHead(status)
	_ = w.h.bw.Flush()
}

// sendContinue tells the client to send its body, unless it was answered
// already.
func (w *response) sendContinue() (told bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.status != 0 {
		return false, nil
	}
	_, _ = w.h.bw.WriteString("HTTP/1.1 100 Continue\r\n\r\n")
	err = w.h.bw.Flush()
	return err == nil, err
}

// frame decides how the body's end is told (RFC 9112 section 6.3).
func (w *response) frame() {
	length := w.Header()["Content-Length"]
	for _, name := range hopByHop {
		if name != "Trailer" && !(name == "Upgrade" && w.status == http.StatusSwitchingProtocols) {
			delete(w.header, name)
		}
	}
	switch {
	case w.status == http.StatusSwitchingProtocols:
		w.bodiless = true
		w.header["Connection"] = []string{"Upgrade"}
		return
	case w.status == http.StatusNoContent:
		delete(w.header, "Content-Length")
		w.bodiless = true
	case w.r.Method == http.MethodHead, w.status == http.StatusNotModified:
		w.bodiless = true
	case len(length) == 1:
		n, err := parseLength(length[0])
		w.fixed, w.left = err == nil, n
	}
	if !w.bodiless && !w.fixed {
		delete(w.header, "Content-Length")
		w.chunked = w.r.ProtoMinor > 0
		w.close = w.close || !w.chunked
	}
	w.endConnection()
}

// endConnection says so when no other request can follow.
func (w *response) endConnection() {
	if expectsContinue(w.r) && !w.body.continued.Load() {
		w.close = true // the client may or may not send the body now
	}
	if w.close || w.r.Close {
		w.close = true
		w.header["Connection"] = []string{"close"}
	}
	if w.chunked {
		w.header["Transfer-Encoding"] = []string{"chunked"}
	} else {
		delete(w.header, "Trailer")
	}
}

// writeHead writes a status line with the standard reason, never one that the
// upstream made up, and the fields.
func (w *response) writeHead(status int) {
	b := append(w.h.bw.buf, "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(status), 10)
	b = append(append(b, ' '), http.StatusText(status)...)
	b, _ = appendFields(append(b, "\r\n"...), w.header, w.lines)
	w.h.bw.buf = append(b, "\r\n"...)
}

// writeTrailer writes the fields that were left for the trailer section.
func (w *response) writeTrailer() {
	trailer := make(http.Header)
	for name, values := range w.header {
		if key, ok := strings.CutPrefix(name, http.TrailerPrefix); ok {
			trailer[key] = values
		}
	}
	w.h.bw.buf = appendTrailer(w.h.bw.buf, trailer)
}

// Write writes a piece of the body. It is not sent before Flush, or before
// the buffer is full.
func (w *response) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	switch {
	case w.bodiless || len(p) == 0:
		return len(p), nil
	case w.fixed:
		if int64(len(p)) > w.left {
			return 0, errTooLong
		}
		w.left -= int64(len(p))
		return w.h.bw.Write(p)
	case w.chunked:
		return w.writeChunk(p)
	}
	return w.h.bw.Write(p)
}

func (w *response) writeChunk(p []byte) (int, error) {
	var size [18]byte
	line := append(strconv.AppendUint(size[:0], uint64(len(p)), 16), '\r', '\n')
	_, _ = w.h.bw.Write(line) // bufio keeps the first error
	n, err := w.h.bw.Write(p)
	if err != nil {
		return n, err
	}
	_, err = w.h.bw.WriteString("\r\n")
	return n, err
}

// FlushError sends what was written.
func (w *response) FlushError() error {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	return w.h.bw.Flush()
}

// finish ends the response. It reports whether the connection can carry
// another; when not, and the response is not complete, it is aborted.
func (w *response) finish() bool {
	if w.status == 0 {
		w.Header()["Content-Length"] = []string{"0"}
		w.WriteHeader(http.StatusOK)
	}
	if w.fixed && w.left > 0 {
		panic(http.ErrAbortHandler)
	}
	if w.chunked {
		w.h.bw.buf = append(w.h.bw.buf, "0\r\n"...)
		w.writeTrailer()
		w.h.bw.buf = append(w.h.bw.buf, "\r\n"...)
	}
	return w.h.bw.Flush() == nil && !w.close
}

// take ends HTTP on the connection and hands it over: what is written from
// now on is the caller's, and early is what the client sent already.
func (w *response) take() (early []byte) {
	w.h.watch.stop()
	_ = w.h.setUntil(time.Time{})
	w.taken = true
	if n := w.h.br.Buffered(); n > 0 {
		early = make([]byte, n)
		_, _ = w.h.br.Read(early)
	}
	w.h.release()
	return early
}

// refuse writes r as the whole answer on any ResponseWriter.
func refuse(w http.ResponseWriter, refusal *Refusal) {
	if g, ok := w.(*grpcResponse); ok {
		g.refuse(refusal)
		return
	}
	h := w.Header()
	clear(h)
	body := refusal.body()
	h.Set("Authsome-Error", headerSafe(refusal.Code))
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if w1, ok := w.(*response); ok {
		w1.lines, w1.close = nil, w1.close || !w1.body.whole()
	}
	w.WriteHeader(refusal.Status)
	_, _ = w.Write(body)
}

// headerSafe keeps a code that a caller made up from splitting the head.
func headerSafe(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}

package proxy

import (
	"errors"
	"io"
	"net/http"
	"net/textproto"
	"strconv"
	"sync"
)

// maxInterim bounds the interim responses of one exchange.
const maxInterim = 16

var errInterim = errors.New("too many interim responses")

// interim passes 1xx responses on until the final one is there.
type interim struct {
	w     http.ResponseWriter
	x     *exchange
	mu    sync.Mutex
	count int
	ended bool

	continued bool
}

func (i *interim) relay(code int, header textproto.MIMEHeader) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.count++; i.count > maxInterim {
		return errInterim
	}
	if i.ended || code == http.StatusSwitchingProtocols {
		return nil
	}
	if code == http.StatusContinue {
		i.proceed()
		return nil
	}
	h := i.w.Header()
	clear(h)
	for name, values := range header {
		h[name] = append([]string{}, values...)
	}
	stripHop(h)
	delete(h, "Content-Length")
	i.x.scan.header(h)
	i.w.WriteHeader(code)
	clear(h)
	return nil
}

// proceed lets the client's body through. 100 is the proxy's own to send.
func (i *interim) proceed() {
	w, ok := i.w.(*response)
	if ok && w.body.proceed != nil && !i.continued {
		i.continued = true
		close(w.body.proceed)
	}
}

func (i *interim) end() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.ended = true
}

// checkResponse refuses answers that would do something to the client's
// proxy connection instead of its request.
func checkResponse(resp *http.Response, x *exchange) error {
	switch {
	case resp.StatusCode == http.StatusProxyAuthRequired:
		return &Refusal{Status: http.StatusBadGateway, Code: "upstream_407", Message: x.to.host + " answered 407, which only a proxy may"}
	case resp.StatusCode != http.StatusSwitchingProtocols:
		return nil
	case x.websocket == "":
		return &Refusal{Status: http.StatusBadGateway, Code: "upstream_101", Message: x.to.host + " switched protocols without being asked"}
	}
	return x.checkAccept(resp)
}

// relay passes the response on as it comes.
func (s *server) relay(w http.ResponseWriter, r *http.Request, resp *http.Response, x *exchange) {
	if resp.StatusCode == http.StatusSwitchingProtocols {
		s.relayWebSocket(w, r, resp, x)
		return
	}
	header := x.relayFields(w, resp)
	body, err := x.relayBody(header, r, resp)
	if err != nil {
		s.failed(w, r, x, err)
		return
	}
	w.WriteHeader(resp.StatusCode)
	if err := copyBody(w, body, resp); err != nil {
		s.debug("response", "host", x.to.host, "err", err)
		s.cut(w, r, err)
		return
	}
	for name, values := range resp.Trailer {
		if mayTrail(name) {
			header[http.TrailerPrefix+name] = values
		}
	}
	if len(resp.Trailer) > 0 {
		x.scan.header(header)
	}
}

// cut ends a response that can't be completed, so that the client knows.
func (s *server) cut(w http.ResponseWriter, r *http.Request, err error) {
	g, ok := w.(*grpcResponse)
	refusal := s.explain(err)
	if !ok || refusal == nil || r.Context().Err() != nil {
		panic(http.ErrAbortHandler)
	}
	g.cut(refusal, err)
}

// headerFor is w's header with resp's fields in it.
func headerFor(w http.ResponseWriter, resp *http.Response) http.Header {
	if w1, ok := w.(*response); ok {
		w1.header = resp.Header
		if body, ok := resp.Body.(*answerBody); ok {
			w1.lines = body.lines
		}
		return w1.header
	}
	header := w.Header()
	clear(header)
	for name, values := range resp.Header {
		header[name] = values
	}
	return header
}

// relayFields fills w's header with what of the response's is for the client.
func (x *exchange) relayFields(w http.ResponseWriter, resp *http.Response) http.Header {
	header := headerFor(w, resp)
	stripHop(header)
	if x.authorize {
		delete(header, "Alt-Svc") // it would lead the client around the proxy
	}
	x.scan.header(header)
	for name := range resp.Trailer {
		if mayTrail(name) {
			header.Add("Trailer", name)
		}
	}
	return header
}

// relayBody returns the body as the client gets it, and sees to it that
// header says how long that is.
func (x *exchange) relayBody(header http.Header, r *http.Request, resp *http.Response) (io.Reader, error) {
	if r.Method == http.MethodHead || resp.StatusCode == http.StatusNotModified {
		return resp.Body, nil // there is none; its length is what it would be
	}
	if resp.ContentLength < 0 {
		delete(header, "Content-Length")
	} else if len(header["Content-Length"]) != 1 {
		header["Content-Length"] = []string{strconv.FormatInt(resp.ContentLength, 10)}
	}
	return x.scan.body(resp, header)
}

// copyBody passes each piece on before it waits for another one: that may be
// an event stream's. The head does not wait for the first piece either.
func copyBody(w http.ResponseWriter, body io.Reader, resp *http.Response) error {
	send := w.(interface{ FlushError() error }).FlushError
	flush := send
	if own, ok := resp.Body.(*answerBody); ok {
		own.whileWaiting(send)
		flush = func() error { return nil }
	} else if resp.ContentLength < 0 || resp.ContentLength > recordSize/2 {
		if err := flush(); err != nil {
			return err
		}
	}
	buffer := bufferFor(resp.ContentLength)
	defer buffer.release()
	room := buffer.room[:min(len(buffer.room), bulkSize)]
	for {
		n, readErr := body.Read(room)
		if n > 0 {
			if _, err := w.Write(room[:n]); err != nil {
				return err
			}
		}
		if errors.Is(readErr, io.EOF) {
			return nil // the last piece goes with the end
		}
		if readErr != nil {
			return errors.Join(readErr, send())
		}
		if err := flush(); err != nil {
			return err
		}
	}
}

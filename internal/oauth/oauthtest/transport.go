package oauthtest

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
)

// Transport reaches the server: over its listener, trusting its certificate,
// or without a network when it has none. Requests for any host arrive.
func (s *Server) Transport() http.RoundTripper {
	if s.listener != nil {
		return s.listener.Client().Transport
	}
	return direct{s}
}

// direct serves a request in the caller's process and time.
type direct struct{ server *Server }

// RoundTrip ends early when the request's context does.
func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		r = r.Clone(r.Context())
		r.Body = http.NoBody
	}
	recorded := httptest.NewRecorder()
	done := make(chan error, 1)
	go func() { done <- d.serve(recorded, r) }()
	select {
	case err := <-done:
		if err != nil {
			return nil, &net.OpError{Op: "read", Net: "memory", Err: err}
		}
		return recorded.Result(), nil
	case <-r.Context().Done():
		<-done // a step that waits looks at the context too
		return nil, r.Context().Err()
	}
}

// serve turns an aborted handler into a connection that broke.
func (d direct) serve(w http.ResponseWriter, r *http.Request) (err error) {
	defer func() {
		switch p := recover(); {
		case p == nil:
		case p == http.ErrAbortHandler:
			err = io.ErrUnexpectedEOF
		default:
			panic(p)
		}
	}()
	d.server.ServeHTTP(w, r)
	return nil
}

// Browse does what a browser would with an authorization URL: it follows the
// redirect back and returns the page's status and body.
func (s *Server) Browse(ctx context.Context, authorizationURL string) (status int, page string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, authorizationURL, nil)
	if err != nil {
		return 0, "", err
	}
	resp, err := s.Transport().RoundTrip(req)
	if err != nil {
		return 0, "", err
	}
	resp.Body.Close()
	location, err := resp.Location()
	if err != nil {
		return resp.StatusCode, "", err
	}
	req, err = http.NewRequestWithContext(ctx, http.MethodGet, location.String(), nil)
	if err != nil {
		return 0, "", err
	}
	back, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return 0, "", err
	}
	defer back.Body.Close()
	body, err := io.ReadAll(back.Body)
	return back.StatusCode, string(body), err
}

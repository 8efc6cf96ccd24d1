package proxy

import (
	"errors"
	"io"
	"log"
	"net/http"

	"golang.org/x/net/http2"
)

// http2Server is what all HTTP/2 connections of clients have in common. The
// engine is golang.org/x/net/http2; RFC 8441 is off, as it is by default.
type http2Server struct {
	base   *http.Server
	engine *http2.Server
}

func newHTTP2Server() http2Server {
	base := &http.Server{
		MaxHeaderBytes: maxHead,
		IdleTimeout:    idleTimeout,
		ErrorLog:       log.New(io.Discard, "", 0), // it would print panic values
	}
	engine := &http2.Server{
		MaxConcurrentStreams: 250, IdleTimeout: idleTimeout,
		MaxUploadBufferPerStream: streamWindow, MaxUploadBufferPerConnection: connWindow,
	}
	if err := http2.ConfigureServer(base, engine); err != nil {
		panic(err) // only for a TLS configuration that we don't set
	}
	return http2Server{base: base, engine: engine}
}

// serveHTTP2 speaks HTTP/2 inside a tunnel.
func (s *server) serveHTTP2(c *client, child *childTLS, to authority) {
	// The engine gives up 2 s after it has begun without the client's first
	// settings, which a busy machine does not always make. They come with the
	// preface.
	if !c.enter(phaseIdle) || child.await(len(http2.ClientPreface), headTimeout) != nil {
		return
	}
	c.enter(phaseActive)
	s.http2.engine.ServeConn(child, &http2.ServeConnOpts{
		Context:    s.ctx,
		BaseConfig: s.http2.base,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer func() {
				if v := recover(); v != nil {
					s.recovered(v)
					panic(http.ErrAbortHandler)
				}
			}()
			s.handleStream(w, r, to)
		}),
	})
}

// handleStream checks what is peculiar to HTTP/2 before the request is
// treated as any other.
func (s *server) handleStream(w http.ResponseWriter, r *http.Request, to authority) {
	w = forGRPC(w, r)
	err := checkStream(r)
	if err != nil {
		s.refuseRequest(w, r, to, badRefusal(err))
		return
	}
	s.handleIntercepted(w, r, to)
}

func checkStream(r *http.Request) error {
	switch {
	case r.TLS == nil:
		return bad(":scheme other than https")
	case r.Host == "":
		return bad("neither :authority nor Host")
	case !isMethod(r.Method):
		return bad("method that is not a token in upper case")
	case len(r.Header["Host"]) > 1:
		return bad("more than one Host")
	case len(r.Header) > maxFields:
		return &badRequest{http.StatusRequestHeaderFieldsTooLarge, "header with over 256 fields"}
	case r.RequestURI == "" || r.RequestURI[0] != '/':
		return bad(":path that does not begin with a slash")
	}
	return nil
}

// badRefusal makes an answer of what a check found.
func badRefusal(err error) *Refusal {
	status := http.StatusBadRequest
	if e, ok := errors.AsType[*badRequest](err); ok {
		status = e.status
	}
	return asRefusal(err, status, "bad_request")
}

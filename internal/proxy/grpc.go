package proxy

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"golang.org/x/net/http2"
)

// grpcResponse answers a gRPC client over HTTP/2. What goes wrong is told in
// the client's own terms: a status in trailer fields, whatever came before.
type grpcResponse struct {
	http.ResponseWriter
	flush func() error
	cause error // of a refusal that follows
}

// forGRPC returns w, made to answer gRPC if r is such a request.
func forGRPC(w http.ResponseWriter, r *http.Request) http.ResponseWriter {
	if !isGRPC(r.Header) {
		return w
	}
	return &grpcResponse{ResponseWriter: w, flush: w.(interface{ FlushError() error }).FlushError}
}

// isGRPC reports whether a message is gRPC: application/grpc, with a +format or
// parameters. application/grpc-web is HTTP like any other.
func isGRPC(h http.Header) bool {
	rest, ok := strings.CutPrefix(lower(h.Get("Content-Type")), "application/grpc")
	return ok && (rest == "" || rest[0] == '+' || rest[0] == ';')
}

// FlushError sends what was written.
func (g *grpcResponse) FlushError() error { return g.flush() }

// refuse is a response of trailers only.
func (g *grpcResponse) refuse(refusal *Refusal) {
	h := g.Header()
	clear(h)
	h.Set("Authsome-Error", headerSafe(refusal.Code))
	h.Set("Content-Type", "application/grpc")
	h.Set("Grpc-Status", strconv.Itoa(grpcStatus(refusal, g.cause)))
	h.Set("Grpc-Message", grpcMessage(refusal))
	g.WriteHeader(http.StatusOK)
}

// cut ends a response of which the head was sent.
func (g *grpcResponse) cut(refusal *Refusal, err error) {
	h := g.Header()
	h.Set(http.TrailerPrefix+"Grpc-Status", strconv.Itoa(grpcStatus(refusal, err)))
	h.Set(http.TrailerPrefix+"Grpc-Message", grpcMessage(refusal))
}

// Status codes of gRPC.
const (
	grpcCancelled         = 1
	grpcUnknown           = 2
	grpcPermissionDenied  = 7
	grpcResourceExhausted = 8
	grpcUnimplemented     = 12
	grpcInternal          = 13
	grpcUnavailable       = 14
	grpcUnauthenticated   = 16
)

// grpcStatus is what gRPC makes of a stream that was reset, or else of an HTTP
// status: doc/PROTOCOL-HTTP2.md and doc/http-grpc-status-mapping.md of gRPC.
func grpcStatus(refusal *Refusal, err error) int {
	if reset, ok := errors.AsType[http2.StreamError](err); ok {
		switch reset.Code {
		case http2.ErrCodeRefusedStream:
			return grpcUnavailable
		case http2.ErrCodeCancel:
			return grpcCancelled
		case http2.ErrCodeEnhanceYourCalm:
			return grpcResourceExhausted
		case http2.ErrCodeInadequateSecurity:
			return grpcPermissionDenied
		}
		return grpcInternal
	}
	switch refusal.Status {
	case http.StatusBadRequest, http.StatusRequestHeaderFieldsTooLarge:
		return grpcInternal
	case http.StatusUnauthorized:
		return grpcUnauthenticated
	case http.StatusForbidden:
		return grpcPermissionDenied
	case http.StatusNotFound:
		return grpcUnimplemented
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return grpcUnavailable
	}
	return grpcUnknown
}

// grpcMessage is percent-encoded as gRPC has it: all but printable ASCII, and %.
func grpcMessage(refusal *Refusal) string {
	text := "authsome: " + refusal.Message
	if refusal.Hint != "" {
		text += ": " + refusal.Hint
	}
	var b strings.Builder
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '%' {
			b.WriteByte('%')
			b.WriteByte("0123456789ABCDEF"[c>>4])
			b.WriteByte("0123456789ABCDEF"[c&0xf])
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

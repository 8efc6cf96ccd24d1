package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"

	"golang.org/x/net/http2"
)

// explain makes an answer of a failure to reach, to trust or to read an
// upstream. It names no address and quotes nothing the upstream said. Nil
// means that the client itself ended the exchange.
func (s *server) explain(err error) *Refusal {
	if err == nil {
		return nil
	}
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		return refusal
	}
	answer := func(status int, code, message string) *Refusal {
		return &Refusal{Status: status, Code: code, Message: message}
	}
	dns, isDNS := errors.AsType[*net.DNSError](err)
	failed, isHandshake := errors.AsType[*handshakeError](err)
	reset, isReset := errors.AsType[http2.StreamError](err)
	network, isNetwork := errors.AsType[net.Error](err)
	answered, isAnswered := errors.AsType[*badAnswer](err)
	switch {
	case isDNS && (dns.IsTimeout || dns.IsTemporary):
		return answer(http.StatusGatewayTimeout, "upstream_dns", "the name server did not answer")
	case isDNS:
		return answer(http.StatusBadGateway, "upstream_dns", "the host name does not exist")
	case errors.Is(err, context.DeadlineExceeded), isNetwork && network.Timeout():
		return answer(http.StatusGatewayTimeout, "upstream_timeout", "the server did not answer in time")
	case errors.Is(err, context.Canceled), errors.Is(err, errClientGone):
		return nil
	case errors.Is(err, errUploadStalled):
		return answer(http.StatusGatewayTimeout, "upstream_timeout", errUploadStalled.Error())
	case errors.Is(err, errAuthorized):
		return answer(http.StatusBadGateway, "not_authorized", errAuthorized.Error())
	case isAnswered:
		return answer(http.StatusBadGateway, "upstream_failed", "the server's answer can't be understood: "+answered.reason)
	case isHandshake:
		return answer(http.StatusBadGateway, "upstream_tls", explainTLS(failed.err))
	case isAlert(err):
		return answer(http.StatusBadGateway, "upstream_tls", describeTLS(err))
	case isReset && sentByPeer(reset) && reset.Code == http2.ErrCodeRefusedStream:
		return answer(http.StatusServiceUnavailable, "upstream_refused_stream", "the server refused the request and did nothing with it")
	case isReset && sentByPeer(reset):
		return answer(http.StatusBadGateway, "upstream_reset", "the server reset the stream: "+reset.Code.String())
	case isGoAway(err):
		return answer(http.StatusBadGateway, "upstream_closed", "the server closed the connection without an answer")
	case errors.Is(err, syscall.ECONNREFUSED):
		return answer(http.StatusBadGateway, "upstream_refused", "the server refused the connection")
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.EADDRNOTAVAIL):
		return answer(http.StatusBadGateway, "upstream_unreachable", "the server can't be reached from here")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return answer(http.StatusBadGateway, "upstream_closed", "the server closed the connection without an answer")
	}
	s.debug("upstream", "err", err)
	return answer(http.StatusBadGateway, "upstream_failed", "the server's answer can't be understood")
}

// sentByPeer reports whether the server reset the stream, and not we for what
// it sent. The engine tells them apart by an error without a name.
func sentByPeer(reset http2.StreamError) bool {
	return reset.Cause != nil && reset.Cause.Error() == "received from peer"
}

// isGoAway reports whether err is the end that an HTTP/2 server announced.
func isGoAway(err error) bool {
	_, ended := errors.AsType[http2.GoAwayError](err)
	return ended || strings.Contains(err.Error(), "GOAWAY") // the engine has no name for the other one
}

// explainTLS says why the upstream's certificate or protocol is not accepted.
func explainTLS(err error) string {
	if verification, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return explainCertificate(verification.Err)
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return "the server does not speak TLS"
	}
	return describeTLS(err)
}

// explainCertificate leaves out the names that a certificate carries: they are
// whatever its maker wrote.
func explainCertificate(err error) string {
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "the server's certificate is for another host"
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "the server's certificate is from an unknown authority"
	}
	invalid, ok := errors.AsType[x509.CertificateInvalidError](err)
	switch {
	case ok && invalid.Reason == x509.Expired:
		return "the server's certificate is expired or not yet valid"
	case ok && invalid.Reason == x509.CANotAuthorizedForThisName:
		return "the server's certificate is outside its authority's name constraints"
	}
	return "the server's certificate is not valid"
}

// isAlert recognizes a TLS alert that the peer sent.
func isAlert(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	if handshake, failed := errors.AsType[*handshakeError](err); failed && !ok {
		op, ok = errors.AsType[*net.OpError](handshake.err)
	}
	return ok && op.Op == "remote error"
}

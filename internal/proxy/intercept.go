package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// handshakeTimeout bounds a TLS handshake, on either side.
const handshakeTimeout = 10 * time.Second

// maxHosts bounds the intercepted hosts remembered at a time. A claim can
// cover any number of names.
const maxHosts = 1024

// interceptedHost is what is kept for a host between connections. One
// tls.Config for all of them is what makes session tickets work.
type interceptedHost struct {
	config   *tls.Config
	accepted atomic.Bool  // a client accepted our certificate and sent a request
	closes   atomic.Int32 // connections that ended without a word before that
	refusals refusals     // KindUntrusted was reported
}

// silentCloses is how many connections to a host no client has accepted yet
// must end without a word before that means something: clients open spare ones
// and drop them, also in the middle of a handshake.
const silentCloses = 3

// intercepted returns what is kept for host, or the error that no leaf can be
// had.
func (s *server) intercepted(host string) (*interceptedHost, error) {
	if s.Leaf == nil {
		return nil, errors.New("no certificate authority")
	}
	if _, err := s.Leaf(host); err != nil {
		return nil, fmt.Errorf("certificate for %s: %w", host, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	kept, ok := s.hosts[host]
	if !ok {
		if len(s.hosts) >= maxHosts {
			clear(s.hosts)
		}
		kept = &interceptedHost{config: s.childConfig(host)}
		s.hosts[host] = kept
	}
	return kept, nil
}

// aead are the cipher suites of TLS 1.2 with forward secrecy and
// authenticated encryption; TLS 1.3 has no other.
func aead() []uint16 {
	return []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	}
}

// childConfig is the TLS server for host. No hybrid key exchange: it protects
// nothing on loopback and costs a tenth of a millisecond.
func (s *server) childConfig(host string) *tls.Config {
	refuse := &tls.Config{MinVersion: tls.VersionTLS12, SessionTicketsDisabled: true}
	refuse.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		return nil, nil // which crypto/tls answers with unrecognized_name
	}
	return &tls.Config{
		MinVersion:       tls.VersionTLS12,
		CipherSuites:     aead(),
		CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP256},
		NextProtos:       []string{"h2", "http/1.1"},
		// On loopback a large record is there as soon as a small one.
		DynamicRecordSizingDisabled: true,
		GetCertificate:              func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.Leaf(host) },
		GetConfigForClient: func(info *tls.ClientHelloInfo) (*tls.Config, error) {
			hello, ok := info.Context().Value(helloKey{}).(*hello)
			if !ok {
				return nil, errors.New("handshake without its context")
			}
			hello.seen = true
			if name, err := parseHost(info.ServerName); info.ServerName != "" && (err != nil || name != host) {
				hello.mismatch = true
				return refuse, nil
			}
			return nil, nil
		},
	}
}

// hello is what the handshake's callbacks learn about one client.
type hello struct {
	seen     bool
	mismatch bool // it named another host
}

type helloKey struct{}

// childTLS notices how the client's side of a TLS connection begins.
type childTLS struct {
	*tls.Conn
	host  *interceptedHost
	spoke bool  // a byte of a request arrived
	err   error // what ended reading before that
	early []byte
}

// await reads the first n bytes, which Read returns once more. It is over when
// they are not there in time.
func (c *childTLS) await(n int, wait time.Duration) error {
	if err := c.SetReadDeadline(time.Now().Add(wait)); err != nil {
		return err
	}
	early := make([]byte, n)
	if _, err := io.ReadFull(c, early); err != nil {
		return err
	}
	c.early = early
	return c.SetReadDeadline(time.Time{})
}

func (c *childTLS) Read(p []byte) (int, error) {
	if len(c.early) > 0 {
		n := copy(p, c.early)
		c.early = c.early[n:]
		return n, nil
	}
	n, err := c.Conn.Read(p)
	if !c.spoke && n > 0 {
		c.spoke = true
		c.host.accepted.Store(true)
	} else if !c.spoke && err != nil {
		c.err = err
	}
	return n, err
}

// intercept ends the client's TLS and serves what is inside.
func (s *server) intercept(c *client, conn net.Conn, to authority, host *interceptedHost) {
	child := &childTLS{Conn: tls.Server(conn, host.config), host: host}
	// A client that refuses is soon gone, and whose it was with it.
	program := s.suspect(c, host)
	protocol, ok := s.handshake(c, program, child)
	switch {
	case !ok:
		return
	case protocol == "h2":
		s.serveHTTP2(c, child, to)
	default:
		s.serveTunnel(c, child, to)
	}
	if !child.spoke && child.err != nil {
		s.distrusted(c, program, host, child.err)
	}
}

// handshake returns the protocol that the client's TLS ended up with.
func (s *server) handshake(c *client, program string, child *childTLS) (protocol string, ok bool) {
	seen := new(hello)
	ctx, cancel := context.WithTimeout(context.WithValue(s.ctx, helloKey{}, seen), handshakeTimeout)
	defer cancel()
	if err := child.HandshakeContext(ctx); err != nil {
		s.handshakeFailed(c, program, child.host, seen, err)
		return "", false
	}
	return child.ConnectionState().NegotiatedProtocol, true
}

func (s *server) handshakeFailed(c *client, program string, host *interceptedHost, seen *hello, err error) {
	to := c.route
	switch {
	case seen.mismatch:
		s.report(Event{Kind: KindRefused, Host: to.host, Port: to.port, Code: "sni_mismatch", Reason: "TLS server name is not the CONNECT host"})
	case seen.seen:
		s.distrusted(c, program, host, err)
	default:
		s.debug("handshake", "host", to.host, "err", err)
	}
}

// distrusted reports, once for each host and client, that a client seems not
// to accept our certificate. An alert says so; an end without one says so only when it
// happens silentCloses times and no client has accepted the host.
func (s *server) distrusted(c *client, program string, host *interceptedHost, err error) {
	if errors.Is(err, context.Canceled) || s.closing.Load() {
		return
	}
	if !isCertificateAlert(err) && (host.accepted.Load() || host.closes.Add(1) < silentCloses) {
		return
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return
	}
	host.refusals.suspected.Store(true)
	if program == "" {
		program = c.program()
	}
	if host.refusals.first(program) {
		s.report(Event{
			Kind: KindUntrusted, Host: c.route.host, Port: c.route.port, Code: "certificate_rejected", Client: program,
			Reason: "the client does not accept the certificate of this run: " + describeTLS(err),
		})
	}
}

// isCertificateAlert recognizes a peer's alert about the certificate. A TLS
// 1.3 client may send it under keys that we no longer read with.
func isCertificateAlert(err error) bool {
	text := err.Error()
	for _, alert := range []string{"certificate", "bad record MAC", "decrypt error"} {
		if strings.Contains(text, alert) {
			return true
		}
	}
	return false
}

// describeTLS is err without addresses.
func describeTLS(err error) string {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		if op.Op == "remote error" {
			return op.Err.Error()
		}
		return "connection reset"
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return "connection closed"
	}
	return err.Error()
}

// serveTunnel speaks HTTP/1 inside a tunnel.
func (s *server) serveTunnel(c *client, child net.Conn, to authority) {
	h := &http1{srv: s, client: c, conn: child, socket: c.socket}
	h.handle = func(w *response, r *http.Request) { s.handleIntercepted(w, r, to) }
	_ = h.serve(idleTimeout) // childTLS has noted how it began
}

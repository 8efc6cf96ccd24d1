package proxy

import (
	"context"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ocsp"
	"golang.org/x/net/http2"
)

// maxPools bounds the upstream pools kept at a time; the one that was used
// longest ago goes first, with its idle connections.
const maxPools = 256

// maxDials bounds the HTTP/1.1 connections of a pool that are being made at a
// time: of thousands at once none would be ready in time.
const maxDials = 64

// poolKey is what a pool of upstream connections is for. Nothing is shared
// between two of them, so that one credential's connection never carries
// another's request.
type poolKey struct {
	pool   string // Grant.Pool
	scheme string
	to     authority
	kind   poolKind

	private bool // Grant.Private
}

type poolKind uint8

const (
	poolPlain       poolKind = iota // not authorized
	poolIntercepted                 // authorized: addresses are checked
	poolHTTP2                       // the same, and HTTP/2 if the server has it
)

// upstreams are the pools of one server.
type upstreams struct {
	srv   *server
	roots func() (*x509.CertPool, error)
	http2 *http2.Transport

	mu     sync.Mutex // guards what follows, and the pools' idle connections
	pools  map[poolKey]*upstream
	clock  uint64
	idle   int         // connections in all pools
	timer  *time.Timer // closes those that were idle for long, nil while there is none
	closed bool
}

// upstream is one pool.
type upstream struct {
	all          *upstreams
	key          poolKey
	config       *tls.Config   // nil for http
	http2        *http2Pool    // nil unless that is the pool's kind
	dials        chan struct{} // has an element for each handshake under way
	certificates atomic.Bool   // the server has asked for a client certificate
	trusted      atomic.Value  // the root, a string, that was reported last

	used uint64          // guarded by upstreams.mu
	idle []*upstreamConn // guarded by upstreams.mu, the one used last at the end
	gone bool            // guarded by upstreams.mu: takes no more connections
}

func newUpstreams(s *server) *upstreams {
	u := &upstreams{srv: s, http2: newHTTP2Engine(), pools: make(map[poolKey]*upstream)}
	u.roots = sync.OnceValues(func() (*x509.CertPool, error) {
		if s.Roots == nil {
			return x509.SystemCertPool()
		}
		return s.Roots()
	})
	return u
}

// roundTrip sends out on one of the pool's connections and returns the final
// response. It is the one place that chooses between the two protocols.
func (p *upstream) roundTrip(out *http.Request, i *interim) (*http.Response, error) {
	if p.key.kind == poolHTTP2 {
		return p.roundTripHTTP2(out, i)
	}
	return p.roundTripHTTP1(out, i)
}

// roundTripHTTP2 speaks HTTP/2, or HTTP/1.1 when the server has no HTTP/2.
func (p *upstream) roundTripHTTP2(out *http.Request, i *interim) (*http.Response, error) {
	resp, err := p.http2.roundTrip(out, i)
	if errors.Is(err, errNoHTTP2) {
		key := p.key
		key.kind = poolIntercepted
		return p.all.pool(key).roundTripHTTP1(out, i)
	}
	return resp, err
}

// transport is the pool that out belongs to.
func (u *upstreams) transport(out *http.Request, x *exchange) *upstream {
	key := poolKey{pool: x.grant.Pool, scheme: x.scheme, to: x.to, private: x.grant.Private}
	switch {
	case x.authorize && x.needsHTTP2(out):
		key.kind = poolHTTP2
	case x.authorize:
		key.kind = poolIntercepted
	}
	return u.pool(key)
}

// pool is the pool for key, which is made when there is none.
func (u *upstreams) pool(key poolKey) *upstream {
	u.mu.Lock()
	defer u.mu.Unlock()
	pool, ok := u.pools[key]
	if !ok {
		u.evict()
		pool = u.open(key)
		u.pools[key] = pool
	}
	u.clock++
	pool.used = u.clock
	return pool
}

// needsHTTP2 reports whether the request means nothing without HTTP/2: it is
// gRPC, or wants the trailer fields that only HTTP/2 clients ask for.
// Everything else does better on a pool of HTTP/1.1 connections.
func (x *exchange) needsHTTP2(out *http.Request) bool {
	if x.trailers {
		out.Header["Te"] = []string{"trailers"}
	}
	return x.trailers || x.overHTTP2 && isGRPC(out.Header)
}

// evict makes room for a pool.
func (u *upstreams) evict() {
	if len(u.pools) < maxPools {
		return
	}
	var oldest *upstream
	for _, pool := range u.pools {
		if oldest == nil || pool.used < oldest.used {
			oldest = pool
		}
	}
	u.drop(oldest)
}

// open makes a pool.
func (u *upstreams) open(key poolKey) *upstream {
	pool := &upstream{all: u, key: key, dials: make(chan struct{}, maxDials)}
	if key.scheme == "https" {
		pool.config = pool.routedConfig()
	}
	if key.kind == poolHTTP2 {
		pool.http2 = &http2Pool{engine: u.http2, dial: pool.dialTLS}
	}
	return pool
}

// dialTLS is how HTTP/2 connects to the routed host.
func (p *upstream) dialTLS(ctx context.Context) (*tls.Conn, error) {
	conn, err := p.all.srv.dial(ctx, p.key.to, "https", p.policy())
	if err != nil {
		return nil, err
	}
	return p.secure(ctx, newPollable(conn))
}

// routedConfig verifies that the server is the routed host. Records are full
// from the first on: a request is of no use to the server before its end.
func (p *upstream) routedConfig() *tls.Config {
	config := &tls.Config{
		ServerName:                  p.key.to.host,
		NextProtos:                  []string{"http/1.1"},
		ClientSessionCache:          tls.NewLRUClientSessionCache(16),
		DynamicRecordSizingDisabled: true,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			p.certificates.Store(true)
			return new(tls.Certificate), nil
		},
	}
	if p.key.kind == poolHTTP2 {
		config.NextProtos = []string{http2.NextProtoTLS, "http/1.1"}
	}
	return config
}

// dial makes a connection of the pool: to the routed host and verified for its
// name, or for cleartext to the parent proxy that takes requests in absolute
// form.
func (p *upstream) dial(ctx context.Context) (*upstreamConn, error) {
	conn, err := p.dialSocket(ctx)
	if err != nil {
		return nil, err
	}
	s := newPollable(conn)
	c := &upstreamConn{Conn: s, socket: s, pool: p}
	if p.config != nil {
		c.Conn, err = p.secure(ctx, s)
	}
	return c, err
}

func (p *upstream) dialSocket(ctx context.Context) (net.Conn, error) {
	s, to := p.all.srv, p.key.to
	if parent, err := s.absoluteParent(to, p.key.scheme); parent != nil || err != nil {
		if err == nil {
			err = s.checkHost(to)
		}
		if err != nil {
			return nil, err
		}
		return s.dialParentSecurely(ctx, parent)
	}
	return s.dial(ctx, to, p.key.scheme, p.policy())
}

// policy is what addresses the pool's connections may have at their end.
func (p *upstream) policy() policy {
	if p.key.kind == poolPlain || p.key.private {
		return blindly
	}
	return publicly
}

// secure begins TLS with the routed host, and tells whose word for it was
// taken when that is another authority than before.
func (p *upstream) secure(ctx context.Context, conn net.Conn) (*tls.Conn, error) {
	secured, err := p.all.secure(ctx, conn, p.config)
	if err != nil {
		return nil, err
	}
	chain := secured.ConnectionState().VerifiedChains[0] // see verifyConnection
	root := chain[len(chain)-1].Subject.String()
	if p.trusted.Swap(root) != root {
		p.all.srv.report(Event{Kind: KindTrusted, Host: p.key.to.host, Port: p.key.to.port, Reason: root})
	}
	return secured, nil
}

// secure begins TLS on conn as config says, with the rules that hold for
// every upstream. The roots are read at the first such connection: reading
// them costs more than starting the program.
func (u *upstreams) secure(ctx context.Context, conn net.Conn, config *tls.Config) (*tls.Conn, error) {
	roots, err := u.roots()
	if err != nil {
		_ = conn.Close()
		return nil, &Refusal{Status: http.StatusBadGateway, Code: "upstream_roots", Message: "root certificates can't be read: " + err.Error()}
	}
	config = config.Clone() // shares the session cache
	config.RootCAs = roots
	config.MinVersion = tls.VersionTLS12
	config.CipherSuites = aead()
	config.VerifyConnection = verifyConnection
	secured := tls.Client(conn, config)
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, &handshakeError{err}
	}
	return secured, nil
}

// handshakeError is a TLS handshake with an upstream that failed.
type handshakeError struct{ err error }

func (e *handshakeError) Error() string { return "TLS handshake: " + e.err.Error() }
func (e *handshakeError) Unwrap() error { return e.err }

var (
	errWeakKey = errors.New("certificate with an RSA key under 2048 bits")
	errRevoked = errors.New("certificate is revoked, says its own OCSP response")
)

// verifyConnection adds to crypto/tls's verification: no weak RSA key below
// the root, no stapled response that says revoked. It also runs when a
// session is resumed.
func verifyConnection(state tls.ConnectionState) error {
	if len(state.VerifiedChains) == 0 {
		return errors.New("certificate was not verified")
	}
	chain := state.VerifiedChains[0]
	for _, certificate := range chain[:max(1, len(chain)-1)] {
		if key, ok := certificate.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() < 2048 {
			return errWeakKey
		}
	}
	if len(state.OCSPResponse) == 0 || len(chain) < 2 {
		return nil
	}
	answer, err := ocsp.ParseResponseForCert(state.OCSPResponse, chain[0], chain[1])
	if err == nil && answer.Status == ocsp.Revoked {
		return errRevoked
	}
	return nil
}

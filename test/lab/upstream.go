package lab

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
)

// An upstream is every server of the world: one TLS and one plain listener
// that answer for any name.
type upstream struct {
	lab         *Lab
	https, http net.Listener
	connections connections
	count       atomic.Int64 // connections so far
	h1          *http.Server
	h2          *http2.Server
	accepted    chan net.Conn // HTTP/1 connections on their way to h1
	closing     chan struct{}

	mu       sync.Mutex // guards what follows
	via      map[string]string
	hosts    map[string]*host
	handlers map[string]http.Handler // by "/path", "host/path" or "host/"
}

// A host is what a test set for one name.
type host struct {
	kind    Certificate
	name    string // the certificate's, if not the host's
	adjust  func(*tls.Config)
	secrets []string // one of them must be on a request
}

// Certify makes the upstream present a certificate of that kind for the host.
func (l *Lab) Certify(name string, kind Certificate) {
	l.upstream.set(name, func(h *host) { h.kind = kind })
}

// CertifyAs makes the upstream present a valid certificate for another name,
// which may be a wildcard, when it stands for the host.
func (l *Lab) CertifyAs(name, certified string) {
	l.upstream.set(name, func(h *host) { h.name = certified })
}

// TLS adjusts the configuration of handshakes for the host: versions, ALPN
// protocols, a demand for client certificates.
func (l *Lab) TLS(name string, adjust func(*tls.Config)) {
	l.upstream.set(name, func(h *host) { h.adjust = adjust })
}

// Require makes the upstream answer 401 for the host to requests without one
// of the secrets in a header field, the query or the path.
func (l *Lab) Require(name string, secrets ...string) {
	l.upstream.set(name, func(h *host) { h.secrets = secrets })
}

// Handle answers requests for "/path" on all hosts, "host/path" on one, or, as
// "host/", everything else on one. Paths are compared as sent, nothing is
// normalised. The handler sees the request after it was recorded, its body
// unread.
func (l *Lab) Handle(pattern string, handler http.Handler) {
	l.upstream.mu.Lock()
	defer l.upstream.mu.Unlock()
	l.upstream.handlers[pattern] = handler
}

func newUpstream(l *Lab) (*upstream, error) {
	u := &upstream{
		lab: l, via: map[string]string{}, hosts: map[string]*host{}, handlers: maps.Clone(canned()),
		accepted: make(chan net.Conn), closing: make(chan struct{}), h2: &http2.Server{},
	}
	u.h1 = &http.Server{
		Handler:           http.HandlerFunc(u.serveHTTP1),
		ConnContext:       func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connKey{}, c) },
		ErrorLog:          log.New(io.Discard, "", 0),
		ReadHeaderTimeout: time.Hour, // tests that are slow on purpose
	}
	var err error
	if u.https, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	if u.http, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, errors.Join(err, u.https.Close())
	}
	u.connections.serve(u.https, u.serveTLS)
	u.connections.serve(u.http, func(conn net.Conn) { u.serveConn(conn, Record{}) })
	u.connections.wg.Go(func() { _ = u.h1.Serve(u) })
	return u, nil
}

func (u *upstream) close() {
	close(u.closing)
	_, _, _ = u.https.Close(), u.http.Close(), u.h1.Close()
	u.connections.close()
}

type connKey struct{}

// set changes what the upstream does for a host; change replaces nothing it
// shares with a running handshake.
func (u *upstream) set(name string, change func(*host)) {
	u.mu.Lock()
	defer u.mu.Unlock()
	next := host{}
	if h := u.hosts[strings.ToLower(name)]; h != nil {
		next = *h
	}
	change(&next)
	u.hosts[strings.ToLower(name)] = &next
}

func (u *upstream) host(name string) host {
	u.mu.Lock()
	defer u.mu.Unlock()
	if h := u.hosts[strings.ToLower(name)]; h != nil {
		return *h
	}
	return host{}
}

// dial connects to the upstream on behalf of a CONNECT target. The lock keeps
// the other end from asking where the connection came through before it can
// be told.
func (u *upstream) dial(address, target string) (net.Conn, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	conn, err := net.Dial("tcp", address)
	if err == nil {
		u.via[conn.LocalAddr().String()] = target
	}
	return conn, err
}

func (u *upstream) cameThrough(conn net.Conn) string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.via[conn.RemoteAddr().String()]
}

func (u *upstream) serveTLS(conn net.Conn) {
	via := u.cameThrough(conn)
	config := &tls.Config{
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			return u.config(via, hello)
		},
	}
	tc := tls.Server(conn, config)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if tc.HandshakeContext(ctx) != nil {
		return
	}
	u.serveConn(tc, Record{TLS: true, SNI: tc.ConnectionState().ServerName})
}

func (u *upstream) config(via string, hello *tls.ClientHelloInfo) (*tls.Config, error) {
	name, _, err := net.SplitHostPort(via)
	if err != nil {
		name = hello.ServerName
	}
	if name == "" {
		name = "127.0.0.1"
	}
	h := u.host(name)
	certified := name
	if h.name != "" {
		certified = h.name
	}
	cert, err := u.lab.authority.issue(strings.ToLower(certified), h.kind)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{
		Certificates: []tls.Certificate{*cert}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
	}
	if h.adjust != nil {
		h.adjust(config)
	}
	return config, nil
}

func (u *upstream) serveConn(conn net.Conn, origin Record) {
	origin.Conn, origin.Via = int(u.count.Add(1)), u.cameThrough(conn)
	r := &recorder{lab: u.lab, origin: origin}
	if tc, ok := conn.(*tls.Conn); ok && tc.ConnectionState().NegotiatedProtocol == "h2" {
		u.h2.ServeConn(conn, &http2.ServeConnOpts{
			BaseConfig: &http.Server{ErrorLog: log.New(io.Discard, "", 0)},
			Handler:    http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { u.serveHTTP2(r, w, req) }),
		})
		return
	}
	done := make(chan struct{})
	select {
	case u.accepted <- &closeNotifier{Conn: newHTTP1(conn, r), done: done}:
		<-done
	case <-u.closing:
	}
}

// A closeNotifier lets serveConn, which owns the connection, wait for h1.
type closeNotifier struct {
	net.Conn
	once sync.Once
	done chan struct{}
}

func (c *closeNotifier) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() { close(c.done) })
	return err
}

// Accept, Close and Addr make an upstream the listener of its own h1.
func (u *upstream) Accept() (net.Conn, error) {
	select {
	case conn := <-u.accepted:
		return conn, nil
	case <-u.closing:
		return nil, net.ErrClosed
	}
}

// Close implements [net.Listener].
func (u *upstream) Close() error { return nil }

// Addr implements [net.Listener].
func (u *upstream) Addr() net.Addr { return u.https.Addr() }

func (u *upstream) serveHTTP1(w http.ResponseWriter, req *http.Request) {
	conn := req.Context().Value(connKey{}).(*closeNotifier).Conn.(*http1)
	u.answer(w, req, conn.take())
}

// serveHTTP2 records what net/http2 made of the request, which refuses
// malformed ones before they come here.
func (u *upstream) serveHTTP2(r *recorder, w http.ResponseWriter, req *http.Request) {
	record := r.origin
	record.Time, record.Proto, record.Method = time.Now(), req.Proto, req.Method
	record.Target, record.Host, record.Fields = req.RequestURI, req.Host, sorted(req.Header)
	r.add(&record)
	req.Body = &recordedBody{ReadCloser: req.Body, change: r.change, record: &record, trailer: &req.Trailer}
	u.answer(w, req, &record)
	_, _ = io.Copy(io.Discard, req.Body)
}

type recordedBody struct {
	io.ReadCloser
	change  func(func())
	record  *Record
	trailer *http.Header
}

func (b *recordedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.change(func() {
		b.record.addBody(p[:n])
		if err == io.EOF && !b.record.Complete {
			b.record.Complete, b.record.Trailers = true, sorted(*b.trailer)
		}
	})
	return n, err
}

func sorted(h http.Header) []Field {
	var fields []Field
	for _, name := range slices.Sorted(maps.Keys(h)) {
		for _, value := range h[name] {
			fields = append(fields, Field{name, value})
		}
	}
	return fields
}

// answer calls the handler for the request, the most particular one first.
func (u *upstream) answer(w http.ResponseWriter, req *http.Request, record *Record) {
	if !u.authorized(record) {
		drain(req)
		writeJSON(w, http.StatusUnauthorized, map[string]any{
			"error": map[string]string{"message": "Incorrect API key provided.", "code": "invalid_api_key"},
		})
		return
	}
	name := strings.ToLower(hostname(req.Host))
	path, _, _ := strings.Cut(req.RequestURI, "?")
	if _, rest, ok := strings.Cut(path, "://"); ok {
		_, path, _ = strings.Cut(rest, "/")
		path = "/" + path
	}
	u.mu.Lock()
	var handler http.Handler
	for _, pattern := range []string{name + path, path, name + "/", prefix(path)} {
		if handler = u.handlers[pattern]; handler != nil {
			break
		}
	}
	u.mu.Unlock()
	if handler == nil {
		handler = http.HandlerFunc(anything)
	}
	handler.ServeHTTP(w, req)
}

// prefix is the pattern of the answers whose path goes on: /status/404.
func prefix(path string) string { return path[:strings.LastIndexByte(path, '/')+1] + "*" }

func hostname(hostport string) string {
	if name, _, err := net.SplitHostPort(hostport); err == nil {
		return name
	}
	return hostport
}

func (u *upstream) authorized(record *Record) bool {
	secrets := u.host(hostname(record.Host)).secrets
	holds := func(s string) bool {
		return slices.ContainsFunc(secrets, func(secret string) bool { return strings.Contains(s, secret) })
	}
	return len(secrets) == 0 || holds(record.Target) ||
		slices.ContainsFunc(record.Fields, func(f Field) bool { return holds(f.Value) || holds(basic(f.Value)) })
}

package proxy

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// The lab: a proxy, upstreams with a certificate authority of their own, and
// a parent proxy that stands for the name service: what it maps exists.

const (
	canary      = "CANARY-sk-alpha-0123456789abcdef"
	placeholder = "authsome-proxy-managed"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if leaked := leakedGoroutines(); code == 0 && leaked != "" {
		fmt.Fprintln(os.Stderr, "goroutines left behind:\n"+leaked)
		code = 1
	}
	os.Exit(code)
}

// leakedGoroutines waits for the package's goroutines to be gone.
func leakedGoroutines() string {
	var left []string
	for range 100 {
		left = left[:0]
		stacks := make([]byte, 4<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		for _, g := range strings.Split(string(stacks), "\n\n") {
			ours := strings.Contains(g, "authsome/internal/proxy") || strings.Contains(g, "net/http.") || strings.Contains(g, "http2.")
			if ours && !strings.Contains(g, "leakedGoroutines") && !strings.Contains(g, "os/signal") {
				left = append(left, g)
			}
		}
		if len(left) == 0 {
			return ""
		}
		time.Sleep(50 * time.Millisecond)
	}
	return strings.Join(left, "\n\n")
}

// authorityOf certificates.
type certifier struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newCertifier(t testing.TB, name string) *certifier {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(t, err)
	cert, err := x509.ParseCertificate(der)
	must(t, err)
	return &certifier{t: t, cert: cert, key: key}
}

func (c *certifier) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(c.cert)
	return pool
}

// leaf makes a certificate for hosts; change may spoil it.
func (c *certifier) leaf(change func(*x509.Certificate), hosts ...string) *tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(c.t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: hosts[0]},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	if change != nil {
		change(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, c.cert, &key.PublicKey, c.key)
	must(c.t, err)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// lab is one proxy with what is around it.
type lab struct {
	t      testing.TB
	proxy  *Proxy
	addr   string
	web    *certifier // the upstreams' authority
	run    *certifier // the proxy's
	claims map[string]bool
	stop   func() // ends Serve and waits

	mu       sync.Mutex
	names    map[string]string // host:port → address
	parented []string          // CONNECTs the parent got
	events   []Event
	leaves   map[string]*tls.Certificate
}

// newLab claims alpha.test:443 and beta.test:443; change may adjust the
// policy.
func newLab(t testing.TB, change func(*lab, *Proxy)) *lab {
	t.Helper()
	l := &lab{
		t: t, web: newCertifier(t, "web"), run: newCertifier(t, "run"),
		claims: map[string]bool{"alpha.test:443": true, "beta.test:443": true},
		names:  map[string]string{}, leaves: map[string]*tls.Certificate{},
	}
	parent := l.serveParent()
	l.proxy = &Proxy{
		Claims:    func(host string, port uint16) bool { return l.claims[authority{host, port}.String()] },
		Authorize: l.authorize,
		Leaf:      l.leafFor,
		Roots:     func() (*x509.CertPool, error) { return l.web.pool(), nil },
		Parent:    func(string, uint16, string) (*url.URL, error) { return parent, nil },
		Report:    l.report,
	}
	if change != nil {
		change(l, l.proxy)
	}
	ctx, cancel := context.WithCancel(t.Context())
	listener, err := l.proxy.Listen(ctx, "127.0.0.1:0")
	must(t, err)
	l.addr = listener.Addr().String()
	done := make(chan error, 1)
	go func() { done <- l.proxy.Serve(ctx, listener) }()
	l.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	t.Cleanup(l.stop)
	return l
}

// authorize is the default policy: a bearer credential in place of the
// child's.
func (l *lab) authorize(_ context.Context, r *http.Request) (Grant, error) {
	r.Header.Set("Authorization", "Bearer "+canary)
	return Grant{Pool: r.URL.Hostname(), Redact: []string{canary, "Bearer " + canary}, Placeholder: placeholder}, nil
}

func (l *lab) leafFor(host string) (*tls.Certificate, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.leaves[host] == nil {
		l.leaves[host] = l.run.leaf(nil, host)
	}
	return l.leaves[host], nil
}

func (l *lab) report(e Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, e)
}

// reported waits for an event of that code.
func (l *lab) reported(code string) Event {
	l.t.Helper()
	for range 100 {
		l.mu.Lock()
		for _, e := range l.events {
			if e.Code == code || string(e.Kind) == code {
				l.mu.Unlock()
				return e
			}
		}
		l.mu.Unlock()
		time.Sleep(20 * time.Millisecond)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.t.Fatalf("no event %q in %+v", code, l.events)
	return Event{}
}

// listen opens a loopback port that closes with the test.
func (l *lab) listen() net.Listener {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(l.t, err)
	l.t.Cleanup(func() { _ = listener.Close() })
	return listener
}

// resolve makes host:port exist.
func (l *lab) resolve(name, address string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.names[name] = address
}

// contacts is how often the parent was asked for anything.
func (l *lab) contacts() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.parented)
}

// serveParent is a CONNECT proxy, and one for absolute-form http.
func (l *lab) serveParent() *url.URL {
	listener := l.listen()
	group := new(sync.WaitGroup)
	l.t.Cleanup(func() { _ = listener.Close(); group.Wait() })
	group.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			group.Go(func() { l.parentConn(conn) })
		}
	})
	return &url.URL{Scheme: "http", Host: listener.Addr().String()}
}

func (l *lab) parentConn(conn net.Conn) {
	defer conn.Close()
	br := bufio.NewReader(conn)
	r, err := http.ReadRequest(br)
	if err != nil {
		return
	}
	name := r.Host
	if r.Method != http.MethodConnect && !strings.Contains(name, ":") {
		name += ":80"
	}
	l.mu.Lock()
	l.parented = append(l.parented, r.Method+" "+name)
	address, ok := l.names[name]
	l.mu.Unlock()
	if !ok {
		_, _ = io.WriteString(conn, "HTTP/1.1 502 No\r\nContent-Length: 0\r\n\r\n")
		return
	}
	upstream, err := net.Dial("tcp", address)
	if err != nil {
		_, _ = io.WriteString(conn, "HTTP/1.1 504 No\r\nContent-Length: 0\r\n\r\n")
		return
	}
	defer upstream.Close()
	if r.Method == http.MethodConnect {
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
	} else {
		if r.Header["User-Agent"] == nil {
			r.Header["User-Agent"] = []string{""} // or Write adds one
		}
		_ = r.Write(upstream)
	}
	tunnel(conn, upstream)
}

// upstream is an HTTPS server for names, by net/http, that records what it
// gets.
type webServer struct {
	mu       sync.Mutex
	requests []*http.Request // without bodies
	bodies   []string
}

func (u *webServer) seen() []*http.Request {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]*http.Request{}, u.requests...)
}

// serve starts an HTTPS upstream for host:port. It speaks HTTP/2 as well when
// h2 is set.
func (l *lab) serve(name string, h2 bool, handler http.HandlerFunc) *webServer {
	host, _, _ := net.SplitHostPort(name)
	listener := l.listen()
	l.resolve(name, listener.Addr().String())
	u := new(webServer)
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(h2)
	server := &http.Server{
		Protocols: protocols, ErrorLog: log.New(io.Discard, "", 0),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{*l.web.leaf(nil, host)}},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			u.mu.Lock()
			u.requests = append(u.requests, r)
			u.mu.Unlock()
			handler(w, r)
		}),
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.ServeTLS(listener, "", "") }()
	l.t.Cleanup(func() { _ = server.Close(); <-done })
	return u
}

// rawServer answers each TLS connection with a script and keeps the bytes.
type rawServer struct {
	mu    sync.Mutex
	bytes bytes.Buffer
	conns int
}

func (u *rawServer) got() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.bytes.String()
}

func (u *rawServer) Write(p []byte) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.bytes.Write(p)
}

// raw starts an upstream for host:port whose every connection is handled by
// talk; what talk reads is recorded. A nil talk answers each head it reads
// with 200 and no body.
func (l *lab) raw(name string, config *tls.Config, talk func(br *bufio.Reader, conn net.Conn)) *rawServer {
	host, _, _ := net.SplitHostPort(name)
	if config == nil {
		config = &tls.Config{Certificates: []tls.Certificate{*l.web.leaf(nil, host)}}
	}
	if talk == nil {
		talk = answerAll
	}
	listener := l.listen()
	l.resolve(name, listener.Addr().String())
	u := new(rawServer)
	var group sync.WaitGroup
	var open sync.Map
	group.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			u.mu.Lock()
			u.conns++
			u.mu.Unlock()
			open.Store(conn, true)
			group.Go(func() {
				defer conn.Close()
				secured := tls.Server(conn, config)
				if secured.Handshake() == nil {
					talk(bufio.NewReader(io.TeeReader(secured, u)), secured)
				}
			})
		}
	})
	l.t.Cleanup(func() {
		_ = listener.Close()
		open.Range(func(conn, _ any) bool { _ = conn.(net.Conn).Close(); return true })
		group.Wait()
	})
	return u
}

func answerAll(br *bufio.Reader, conn net.Conn) {
	for {
		r, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	}
}

// child is one client connection.
type child struct {
	net.Conn
	t  testing.TB
	br *bufio.Reader
}

// dial connects to the proxy port.
func (l *lab) dial() *child {
	l.t.Helper()
	conn, err := net.Dial("tcp", l.addr)
	must(l.t, err)
	l.t.Cleanup(func() { _ = conn.Close() })
	must(l.t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	return &child{Conn: conn, t: l.t, br: bufio.NewReader(conn)}
}

// say writes lines, with \n made CRLF.
func (c *child) say(text string) {
	c.t.Helper()
	_, err := io.WriteString(c.Conn, strings.ReplaceAll(text, "\n", "\r\n"))
	must(c.t, err)
}

// answer reads a response to a request of that method, with its body.
type answer struct {
	*http.Response
	body string
	err  error // that ended the body
}

func (c *child) answer(method string) answer {
	c.t.Helper()
	resp, err := http.ReadResponse(c.br, &http.Request{Method: method})
	if err != nil {
		c.t.Fatalf("no answer: %v", err)
	}
	if method == http.MethodConnect && resp.StatusCode == http.StatusOK {
		return answer{Response: resp}
	}
	body, err := io.ReadAll(resp.Body)
	return answer{Response: resp, body: string(body), err: err}
}

// closed reports whether the connection ends without another byte.
func (c *child) closed() bool {
	_, err := c.br.ReadByte()
	return err != nil
}

// connect opens a CONNECT tunnel and fails the test when it is refused.
func (l *lab) connect(target string) *child {
	l.t.Helper()
	c := l.dial()
	c.say("CONNECT " + target + " HTTP/1.1\nHost: " + target + "\n\n")
	if a := c.answer(http.MethodConnect); a.StatusCode != http.StatusOK {
		l.t.Fatalf("CONNECT %s: %d %s", target, a.StatusCode, a.body)
	}
	return c
}

// secure begins TLS inside a tunnel, verified with the run's authority.
func (l *lab) secure(c *child, config *tls.Config) (*child, error) {
	if config.RootCAs == nil {
		config.RootCAs = l.run.pool()
	}
	conn := tls.Client(c.Conn, config)
	if err := conn.Handshake(); err != nil {
		return nil, err
	}
	return &child{Conn: conn, t: l.t, br: bufio.NewReader(conn)}, nil
}

// tunnel is a TLS connection to host:443 through the proxy, in HTTP/1.1.
func (l *lab) tunnel(host string) *child {
	l.t.Helper()
	c, err := l.secure(l.connect(host+":443"), &tls.Config{ServerName: host})
	must(l.t, err)
	return c
}

// transport is a net/http client of the proxy.
func (l *lab) transport(h2 bool) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!h2)
	protocols.SetHTTP2(h2)
	t := &http.Transport{
		Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: l.addr}), Protocols: protocols,
		TLSClientConfig: &tls.Config{RootCAs: l.run.pool()}, DisableCompression: true,
	}
	l.t.Cleanup(t.CloseIdleConnections)
	return t
}

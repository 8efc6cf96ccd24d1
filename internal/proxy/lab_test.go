package proxy

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
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
		if resp, err := http.ReadResponse(bufio.NewReader(upstream), r); err == nil {
			resp.Close = true
			_ = resp.Write(conn)
		}
		return
	}
	tunnel(conn, upstream)
}

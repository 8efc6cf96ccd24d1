// Package lab is the world around authsome for end-to-end tests: an upstream
// that answers for every host name over TLS, a parent proxy that leads there,
// and secrets that can be found again wherever they leak to.
//
// The product has no hooks for tests. A test runs the real binary with [Lab.Env]:
// its HTTPS_PROXY is the lab's parent proxy and its SSL_CERT_FILE the lab's
// authority, so https://api.openai.com ends at the lab's upstream, which
// records each request as it arrived. Everything listens on loopback, nothing
// leaves the machine.
//
// The package does not know what authsome does with a request. It is used by
// tests and by test/lab/cmd/lab only.
package lab

import (
	"errors"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A Lab is one authority, one upstream and one parent proxy. Its methods may
// be called from any goroutine.
type Lab struct {
	dir       string // everything of the lab's; removed by Close
	authority *authority
	upstream  *upstream
	parent    *parent

	mu       sync.Mutex // guards what follows
	records  []*Record
	connects []Connect
	changed  chan struct{} // closed and replaced when records or connects change
	canaries []canary
}

// New starts a lab that ends with the test.
func New(t testing.TB) *Lab {
	t.Helper()
	l, err := Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("close lab: %v", err)
		}
	})
	return l
}

// Start starts a lab; Close ends it.
func Start() (*Lab, error) {
	dir, err := os.MkdirTemp("", "authsome-lab-")
	if err != nil {
		return nil, err
	}
	l := &Lab{dir: dir, changed: make(chan struct{})}
	if err := l.start(); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func (l *Lab) start() error {
	for _, name := range []string{"home", "tmp"} {
		if err := os.Mkdir(filepath.Join(l.dir, name), 0o700); err != nil {
			return err
		}
	}
	var err error
	if l.authority, err = newAuthority(); err != nil {
		return err
	}
	if err := os.WriteFile(l.CA(), l.authority.pem(), 0o600); err != nil {
		return err
	}
	if l.upstream, err = newUpstream(l); err != nil {
		return err
	}
	l.parent, err = newParent(l)
	return err
}

// Close stops the servers, waits for them, and removes the lab's files.
func (l *Lab) Close() error {
	if l.parent != nil {
		l.parent.close()
	}
	if l.upstream != nil {
		l.upstream.close()
	}
	return os.RemoveAll(l.dir)
}

// Dir is the lab's own directory. HOME (home) and TMPDIR (tmp) of Env are in it.
func (l *Lab) Dir() string { return l.dir }

// CA is the path of the PEM file with the lab's authority.
func (l *Lab) CA() string { return filepath.Join(l.dir, "ca.pem") }

// HTTPS is host:port of the TLS upstream, for clients that come without the
// parent proxy.
func (l *Lab) HTTPS() string { return l.upstream.https.Addr().String() }

// HTTP is host:port of the plain upstream.
func (l *Lab) HTTP() string { return l.upstream.http.Addr().String() }

// Proxy is the URL of the parent proxy, with its credentials if it asks for any.
func (l *Lab) Proxy() string {
	u := url.URL{Scheme: "http", Host: l.parent.ln.Addr().String(), User: l.parent.userinfo()}
	return u.String()
}

// Env is the whole environment for an authsome whose AUTHSOME_HOME is home:
// the lab as its parent proxy and trust, an empty HOME, nothing of the user's
// own settings, and no session bus, so the key source is the file.
func (l *Lab) Env(home string) []string {
	env := []string{
		"AUTHSOME_HOME=" + home,
		"HOME=" + filepath.Join(l.dir, "home"),
		"TMPDIR=" + filepath.Join(l.dir, "tmp"),
		"HTTPS_PROXY=" + l.Proxy(),
		"HTTP_PROXY=" + l.Proxy(),
		"SSL_CERT_FILE=" + l.CA(),
		"LANG=C.UTF-8",
	}
	for _, name := range []string{"PATH", "SystemRoot", "PATHEXT"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// Requests returns what reached the upstream, in order of arrival. What is
// still arriving is there as far as it came.
func (l *Lab) Requests() []Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	records := make([]Record, len(l.records))
	for i, r := range l.records {
		records[i] = r.clone()
	}
	return records
}

// Connects returns what was asked of the parent proxy, in order.
func (l *Lab) Connects() []Connect {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.connects)
}

// Reset forgets requests and connects. Certificates, routes and canaries stay.
func (l *Lab) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records, l.connects = nil, nil
}

// WaitFor returns the first whole request that want accepts, and fails the
// test if there is none within the timeout.
func (l *Lab) WaitFor(t testing.TB, timeout time.Duration, want func(Record) bool) Record {
	t.Helper()
	deadline := time.After(timeout)
	for {
		l.mu.Lock()
		changed := l.changed
		l.mu.Unlock()
		requests := l.Requests()
		for _, r := range requests {
			if r.Complete && want(r) {
				return r
			}
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("no such request within %v, only these: %s", timeout, summary(requests))
		}
	}
}

func summary(requests []Record) string {
	var lines []string
	for _, r := range requests {
		lines = append(lines, r.String())
	}
	return strings.Join(lines, "; ")
}

// update runs change, which edits records or connects, and wakes WaitFor.
func (l *Lab) update(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
	close(l.changed)
	l.changed = make(chan struct{})
}

// Changed returns a channel that is closed at the next request or connect.
func (l *Lab) Changed() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changed
}

// connections is the set of open connections of a server and waits for those
// who serve them.
type connections struct {
	mu     sync.Mutex
	open   map[net.Conn]bool
	closed bool
	wg     sync.WaitGroup
}

// serve accepts until ln is closed and runs handle for each connection.
func (c *connections) serve(ln net.Listener, handle func(net.Conn)) {
	c.wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			if !c.add(conn) {
				return
			}
			c.wg.Go(func() {
				defer c.remove(conn)
				handle(conn)
			})
		}
	})
}

// add reports whether conn may be served. It closes it if not.
func (c *connections) add(conn net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		_ = conn.Close()
		return false
	}
	if c.open == nil {
		c.open = map[net.Conn]bool{}
	}
	c.open[conn] = true
	return true
}

func (c *connections) remove(conn net.Conn) {
	_ = conn.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, conn)
}

// close closes all connections and waits for their handlers.
func (c *connections) close() {
	c.mu.Lock()
	c.closed = true
	for conn := range c.open {
		_ = conn.Close()
	}
	c.mu.Unlock()
	c.wg.Wait()
}

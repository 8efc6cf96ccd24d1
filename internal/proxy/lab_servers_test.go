package proxy

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// webServer is an HTTPS server for names, by net/http, that records what it
// gets.
type webServer struct {
	mu       sync.Mutex
	requests []*http.Request // without bodies
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

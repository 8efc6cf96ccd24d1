package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	socks "golang.org/x/net/proxy"
)

// parent is the proxy to reach to through, nil for none.
func (s *server) parent(to authority, scheme string) (*url.URL, error) {
	if s.Parent == nil {
		return nil, nil
	}
	parent, err := s.Parent(to.host, to.port, scheme)
	if err != nil {
		return nil, parentError("parent proxy: " + err.Error())
	}
	return parent, nil
}

// parentError is about the parent proxy. message holds no credential.
func parentError(message string) error {
	return &Refusal{Status: http.StatusBadGateway, Code: "parent_proxy", Message: message}
}

// dialThrough connects to the routed host through a parent proxy, which does
// its own look-up of the name and sees ciphertext only.
func (s *server) dialThrough(ctx context.Context, parent *url.URL, to authority) (net.Conn, error) {
	switch parent.Scheme {
	case "http", "https":
		return s.dialConnect(ctx, parent, to)
	case "socks5", "socks5h":
		return s.dialSOCKS(ctx, parent, to)
	}
	return nil, parentError("parent proxy scheme " + headerSafe(parent.Scheme) + " is not http, https or socks5")
}

// dialParent connects to the parent proxy itself.
func (s *server) dialParent(ctx context.Context, parent *url.URL, defaultPort string) (net.Conn, error) {
	port := parent.Port()
	if port == "" {
		port = defaultPort
	}
	conn, err := s.dialAddress(ctx, net.JoinHostPort(parent.Hostname(), port), blindly)
	if err != nil {
		if refusal := s.explain(err); refusal != nil {
			return nil, parentError("parent proxy: " + refusal.Message)
		}
		return nil, err
	}
	return conn, nil
}

func (s *server) dialConnect(ctx context.Context, parent *url.URL, to authority) (net.Conn, error) {
	defaultPort := "80"
	if parent.Scheme == "https" {
		defaultPort = "443"
	}
	conn, err := s.dialParent(ctx, parent, defaultPort)
	if err != nil {
		return nil, err
	}
	if parent.Scheme == "https" {
		conn, err = s.upstreams.secure(ctx, conn, &tls.Config{ServerName: parent.Hostname()})
		if refusal := s.explain(err); err != nil && refusal != nil {
			return nil, parentError("parent proxy: " + refusal.Message)
		}
		if err != nil {
			return nil, err
		}
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(longAgo) })
	defer stop()
	early, err := askParent(conn, parent.User, to)
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return withEarly(conn, early), conn.SetDeadline(time.Time{})
}

// askParent sends a CONNECT and returns what the server said after the
// parent's answer.
func askParent(conn net.Conn, user *url.Userinfo, to authority) (early []byte, err error) {
	request := "CONNECT " + to.String() + " HTTP/1.1\r\nHost: " + to.String() + "\r\n"
	if user != nil {
		password, _ := user.Password()
		pair := base64.StdEncoding.EncodeToString([]byte(user.Username() + ":" + password))
		request += "Proxy-Authorization: Basic " + pair + "\r\n"
	}
	if _, err := conn.Write([]byte(request + "\r\n")); err != nil {
		return nil, parentError("parent proxy closed the connection")
	}
	br := bufio.NewReader(&limited{conn, maxHead})
	resp, err := http.ReadResponse(br, &http.Request{Method: http.MethodConnect}) //nolint:bodyclose // an answer to CONNECT has no body: what follows is the tunnel
	switch {
	case err != nil:
		return nil, parentError("parent proxy gave no answer to CONNECT")
	case resp.StatusCode == http.StatusProxyAuthRequired:
		return nil, parentError("parent proxy wants other credentials (407)")
	case resp.StatusCode != http.StatusOK:
		return nil, parentError(fmt.Sprintf("parent proxy refused CONNECT to %s (%d)", to, resp.StatusCode))
	}
	early = make([]byte, br.Buffered())
	_, err = br.Read(early)
	if len(early) == 0 {
		err = nil
	}
	return early, err
}

// limited ends a head that does not end by itself.
type limited struct {
	net.Conn
	left int
}

func (l *limited) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, bad("head that does not end")
	}
	n, err := l.Conn.Read(p[:min(len(p), l.left)])
	l.left -= n
	return n, err
}

// dialSOCKS speaks RFC 1928. The name is resolved at the other end.
func (s *server) dialSOCKS(ctx context.Context, parent *url.URL, to authority) (net.Conn, error) {
	var auth *socks.Auth
	if parent.User != nil {
		password, _ := parent.User.Password()
		auth = &socks.Auth{User: parent.User.Username(), Password: password}
	}
	forward := &forwardTo{s: s, parent: parent}
	dialer, err := socks.SOCKS5("tcp", parent.Host, auth, forward)
	if err != nil {
		return nil, parentError("parent proxy: " + err.Error())
	}
	conn, err := dialer.(socks.ContextDialer).DialContext(ctx, "tcp", to.String())
	if forward.err != nil {
		return nil, forward.err
	}
	if err != nil {
		return nil, parentError("parent proxy (SOCKS5) refused the connection to " + to.String())
	}
	if forward.conn != nil {
		return forward.conn, nil // without the client's wrapper the kernel can move the bytes
	}
	return conn, nil
}

// forwardTo is how the SOCKS client reaches its server.
type forwardTo struct {
	s      *server
	parent *url.URL
	conn   net.Conn
	err    error
}

// DialContext connects to the parent, whatever it is asked for.
func (f *forwardTo) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	f.conn, f.err = f.s.dialParent(ctx, f.parent, "1080")
	return f.conn, f.err
}

// Dial is there because the SOCKS package's interface has it.
func (f *forwardTo) Dial(network, address string) (net.Conn, error) {
	return f.DialContext(f.s.ctx, network, address)
}

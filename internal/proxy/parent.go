package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"

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

// parentFailed makes err, a failure on the way to or in the talk with the
// parent, an error about it.
func (s *server) parentFailed(err error, otherwise string) error {
	if _, ok := errors.AsType[*Refusal](err); ok {
		return err
	}
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		return &Refusal{Status: http.StatusGatewayTimeout, Code: "parent_proxy", Message: "parent proxy did not answer in time"}
	}
	return parentError(otherwise)
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

// absoluteParent is the parent proxy that a request goes to in absolute form
// (RFC 9112 section 3.2.2), nil when it goes another way.
func (s *server) absoluteParent(to authority, scheme string) (*url.URL, error) {
	if scheme != "http" {
		return nil, nil
	}
	parent, err := s.parent(to, scheme)
	if err != nil || parent == nil || parent.Scheme != "http" && parent.Scheme != "https" {
		return nil, err
	}
	return parent, nil
}

// dialParentSecurely connects to an http or https parent proxy, with TLS to
// the latter.
func (s *server) dialParentSecurely(ctx context.Context, parent *url.URL) (net.Conn, error) {
	if parent.Scheme == "http" {
		return s.dialParent(ctx, parent, "80")
	}
	conn, err := s.dialParent(ctx, parent, "443")
	if err != nil {
		return nil, err
	}
	conn, err = s.upstreams.secure(ctx, conn, &tls.Config{ServerName: parent.Hostname()})
	if refusal := s.explain(err); err != nil && refusal != nil {
		return nil, parentError("parent proxy: " + refusal.Message)
	}
	return conn, err
}

func (s *server) dialConnect(ctx context.Context, parent *url.URL, to authority) (net.Conn, error) {
	conn, err := s.dialParentSecurely(ctx, parent)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(longAgo) })
	early, err := askParent(conn, parent.User, to)
	if !stop() && err == nil {
		err = os.ErrDeadlineExceeded // or the deadline would stay
	}
	if err != nil {
		_ = conn.Close()
		return nil, s.parentFailed(err, "parent proxy gave no answer to CONNECT that can be understood")
	}
	return withEarly(conn, early), nil
}

// askParent sends a CONNECT and returns what the server said after the
// parent's answer.
func askParent(conn net.Conn, user *url.Userinfo, to authority) (early []byte, err error) {
	request := "CONNECT " + to.String() + " HTTP/1.1\r\nHost: " + to.String() + "\r\n"
	if user != nil {
		request += "Proxy-Authorization: " + basic(user) + "\r\n"
	}
	if _, err := conn.Write([]byte(request + "\r\n")); err != nil {
		return nil, err
	}
	br := bufio.NewReader(&limited{conn, maxHead})
	resp, err := http.ReadResponse(br, &http.Request{Method: http.MethodConnect}) //nolint:bodyclose // an answer to CONNECT has no body: what follows is the tunnel
	switch {
	case err != nil:
		return nil, err
	case resp.StatusCode == http.StatusProxyAuthRequired:
		return nil, parentError(explain407(resp.Header, user != nil))
	case resp.StatusCode/100 != 2:
		return nil, parentError(fmt.Sprintf("parent proxy refused CONNECT to %s (%d)", to, resp.StatusCode))
	}
	early = make([]byte, br.Buffered())
	_, err = br.Read(early)
	if len(early) == 0 {
		err = nil
	}
	return early, err
}

// explain407 says what the parent wants instead of what it got. Its own words
// are not repeated, but for the names of the schemes we know.
func explain407(header http.Header, tried bool) string {
	var others []string
	basic := false
	for _, challenge := range header.Values("Proxy-Authenticate") {
		scheme, _, _ := strings.Cut(strings.TrimSpace(challenge), " ")
		basic = basic || strings.EqualFold(scheme, "Basic")
		for _, known := range []string{"Digest", "NTLM", "Negotiate"} {
			if strings.EqualFold(scheme, known) {
				others = append(others, known)
			}
		}
	}
	switch {
	case !basic && len(others) > 0:
		return "parent proxy wants " + strings.Join(others, " or ") + " (407), and Basic is all authsome can: put a local proxy that can do more in between"
	case tried:
		return "parent proxy wants other credentials (407)"
	}
	return "parent proxy wants credentials (407): http://USER:PASSWORD@HOST:PORT in the variable that names it"
}

// basic is the value of a field with Basic credentials (RFC 7617).
func basic(user *url.Userinfo) string {
	password, _ := user.Password()
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user.Username()+":"+password))
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
		return nil, s.parentFailed(err, "parent proxy (SOCKS5): "+explainSOCKS(err)+" for "+to.String())
	}
	if forward.conn != nil {
		return forward.conn, nil // without the client's wrapper the kernel can move the bytes
	}
	return conn, nil
}

// explainSOCKS is the reply that a SOCKS server gave, without the addresses
// that stand around it.
func explainSOCKS(err error) string {
	reason := ""
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Err != nil {
		reason = strings.TrimPrefix(op.Err.Error(), "unknown error ")
	}
	switch reason {
	case "username/password authentication failed":
		return "wants other credentials"
	case "no acceptable authentication methods":
		return "wants credentials that it did not get, or others than user name and password"
	case "general SOCKS server failure", "connection not allowed by ruleset", "network unreachable", "host unreachable",
		"connection refused", "TTL expired", "command not supported", "address type not supported":
		return reason
	}
	return "no answer that can be understood"
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

package proxy

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

// firstTLS is the first byte of a TLS handshake: the type of its record.
const firstTLS = 0x16

// sniff finds out by its first byte what a client of the proxy port speaks.
// No method of HTTP begins with one of the others.
func (s *server) sniff(c *client) {
	var first [1]byte
	if c.SetReadDeadline(time.Now().Add(headTimeout)) != nil {
		return
	}
	if _, err := io.ReadFull(c.Conn, first[:]); err != nil {
		return
	}
	switch first[0] {
	case firstTLS:
		s.serveTLS(c)
	case socksVersion:
		s.serveSOCKS(c)
	default:
		s.serveProxy(c, first[0])
	}
}

// serveTLS serves a client that takes the proxy for its server: somebody made
// the name it looked up lead here. The server name it sends is where it wants
// to go, at port 443, and counts as the target of a CONNECT does.
func (s *server) serveTLS(c *client) {
	hello := &helloConn{Conn: c.Conn, seen: []byte{firstTLS}}
	o := opening{
		method: "TLS",
		accept: func() ([]byte, error) { return hello.seen, c.SetReadDeadline(time.Time{}) },
		refuse: func(refusal *Refusal) { _, _ = c.Write(alertFor(refusal)) },
	}
	name, err := hello.serverName()
	if err != nil {
		s.debug("hello", "err", err)
		return
	}
	to := authority{port: defaultPort("https")}
	if to.host, err = parseHost(name); err != nil {
		s.refuseOpening(KindRefused, authority{}, o, &Refusal{Status: http.StatusMisdirectedRequest, Code: "no_server_name", Message: "TLS without a server name leads nowhere"})
		return
	}
	if s.NeedsPassword() {
		s.refuseOpening(KindRefused, to, o, &Refusal{Status: http.StatusProxyAuthRequired, Code: "password", Message: "TLS without a CONNECT can't carry the password that is needed here"})
		return
	}
	c.enter(phaseActive)
	s.open(s.ctx, c, to, o)
}

// Alerts of RFC 8446 section 6.2 that say why there will be no handshake.
const (
	alertAccessDenied     = 49
	alertInternalError    = 80
	alertUnrecognizedName = 112
)

// alertFor is a fatal alert in a record of its own.
func alertFor(refusal *Refusal) []byte {
	description := byte(alertInternalError)
	switch refusal.Status {
	case http.StatusForbidden, http.StatusProxyAuthRequired:
		description = alertAccessDenied
	case http.StatusMisdirectedRequest:
		description = alertUnrecognizedName
	}
	return []byte{0x15, 3, 3, 0, 2, 2, description}
}

// maxHello bounds what is read of a client before its server name is known:
// twice the size of one record, and more than a hello with any key share.
const maxHello = 32 << 10

var (
	errHelloRead = errors.New("client hello was read")
	errHelloSize = errors.New("client hello is too long")
)

// helloConn lets crypto/tls read a client hello and keeps what it read, so
// that whoever serves the connection can begin anew. seen holds what was read
// before.
type helloConn struct {
	net.Conn
	seen   []byte
	played int // how much of what was there at first was read again
}

// serverName returns the server name of the client hello (RFC 6066 section 3),
// "" if it has none.
func (c *helloConn) serverName() (name string, err error) {
	parsed := false
	server := tls.Server(c, &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(info *tls.ClientHelloInfo) (*tls.Config, error) {
			name, parsed = info.ServerName, true
			return nil, errHelloRead
		},
	})
	if err = server.Handshake(); parsed { //nolint:noctx // the deadline of the first byte holds
		return name, nil
	}
	return "", err
}

func (c *helloConn) Read(p []byte) (int, error) {
	if c.played == 0 && len(p) > 0 {
		c.played = copy(p, c.seen)
		return c.played, nil
	}
	if len(c.seen) >= maxHello {
		return 0, errHelloSize
	}
	n, err := c.Conn.Read(p[:min(len(p), maxHello-len(c.seen))])
	c.seen = append(c.seen, p[:n]...)
	return n, err
}

// Write drops the alert of a handshake that goes no further here.
func (c *helloConn) Write(p []byte) (int, error) { return len(p), nil }

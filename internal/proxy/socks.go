package proxy

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"time"
)

// Of RFC 1928 and RFC 1929.
const (
	socksVersion = 5

	socksNoAuth       = 0
	socksPassword     = 2
	socksNoMethod     = 0xff
	socksPasswordVers = 1

	socksConnect = 1

	socksIPv4   = 1
	socksDomain = 3
	socksIPv6   = 4
)

// The replies of RFC 1928 section 6.
const (
	socksSucceeded          = 0
	socksFailed             = 1
	socksNotAllowed         = 2
	socksNetworkUnreachable = 3
	socksHostUnreachable    = 4
	socksRefused            = 5
	socksNoCommand          = 7
	socksNoAddress          = 8
)

var errSOCKS = errors.New("not SOCKS version 5")

// serveSOCKS serves a client of SOCKS version 5, whose version byte was read.
// Its CONNECT counts as that of HTTP does.
func (s *server) serveSOCKS(c *client) {
	reply := func(code byte) error {
		_, err := c.Write([]byte{socksVersion, code, 0, socksIPv4, 0, 0, 0, 0, 0, 0})
		return err
	}
	o := opening{
		method: http.MethodConnect,
		accept: func() ([]byte, error) { return nil, errors.Join(reply(socksSucceeded), c.SetReadDeadline(time.Time{})) },
		refuse: func(refusal *Refusal) { _ = reply(socksReply(refusal)) },
	}
	if err := s.socksGreet(c.Conn); err != nil {
		s.report(Event{Kind: KindRefused, Method: o.method, Status: http.StatusProxyAuthRequired, Code: "socks", Reason: err.Error()})
		return
	}
	to, code, err := readSOCKSRequest(c.Conn)
	if err != nil {
		s.report(Event{Kind: KindRefused, Method: o.method, Status: http.StatusBadRequest, Code: "socks", Reason: err.Error()})
		_ = reply(code)
		return
	}
	c.enter(phaseActive)
	s.open(s.ctx, c, to, o)
}

// socksGreet agrees on a method, and checks the password where one is needed.
func (s *server) socksGreet(rw io.ReadWriter) error {
	methods, err := readCounted(rw)
	if err != nil {
		return err
	}
	method := byte(socksNoMethod)
	for _, m := range []byte(methods) {
		if m == socksPassword || m == socksNoAuth && !s.NeedsPassword() {
			method = min(method, m) // none is better than a password nobody needs
		}
	}
	if _, err := rw.Write([]byte{socksVersion, method}); err != nil {
		return err
	}
	switch method {
	case socksNoMethod:
		return errors.New("SOCKS client offers no method that will do")
	case socksPassword:
		return s.socksLogin(rw)
	}
	return nil
}

// socksLogin is the sub-negotiation of RFC 1929.
func (s *server) socksLogin(rw io.ReadWriter) error {
	var version [1]byte
	if _, err := io.ReadFull(rw, version[:]); err != nil || version[0] != socksPasswordVers {
		return errSOCKS
	}
	if _, err := readCounted(rw); err != nil { // the user's name, which is as it may be
		return err
	}
	password, err := readCounted(rw)
	if err != nil {
		return err
	}
	if s.NeedsPassword() && !s.isPassword(password) {
		_, err := rw.Write([]byte{socksPasswordVers, 1})
		return errors.Join(errors.New("SOCKS password is wrong"), err)
	}
	_, err = rw.Write([]byte{socksPasswordVers, 0})
	return err
}

// readSOCKSRequest reads a request (RFC 1928 section 4). With an error comes
// the reply that says it.
func readSOCKSRequest(r io.Reader) (to authority, reply byte, err error) {
	var head [4]byte // version, command, reserved, type of address
	if _, err := io.ReadFull(r, head[:]); err != nil || head[0] != socksVersion || head[2] != 0 {
		return authority{}, socksFailed, errSOCKS
	}
	host, err := readSOCKSHost(r, head[3])
	if err != nil {
		return authority{}, socksNoAddress, err
	}
	var port [2]byte
	if _, err := io.ReadFull(r, port[:]); err != nil {
		return authority{}, socksFailed, err
	}
	to = authority{host, uint16(port[0])<<8 | uint16(port[1])}
	switch {
	case head[1] != socksConnect:
		return authority{}, socksNoCommand, errors.New("SOCKS command other than CONNECT")
	case to.port == 0:
		return authority{}, socksNoAddress, errPort
	}
	return to, socksSucceeded, nil
}

func readSOCKSHost(r io.Reader, kind byte) (string, error) {
	switch kind {
	case socksDomain:
		name, err := readCounted(r)
		if err != nil {
			return "", err
		}
		return parseHost(name)
	case socksIPv4, socksIPv6:
		address := make([]byte, map[byte]int{socksIPv4: 4, socksIPv6: 16}[kind])
		if _, err := io.ReadFull(r, address); err != nil {
			return "", err
		}
		ip, _ := netip.AddrFromSlice(address)
		return ip.Unmap().String(), nil
	}
	return "", fmt.Errorf("SOCKS address of type %d", kind)
}

// readCounted reads a byte that counts the bytes after it, and those.
func readCounted(r io.Reader) (string, error) {
	var n [1]byte
	if _, err := io.ReadFull(r, n[:]); err != nil {
		return "", err
	}
	b := make([]byte, n[0])
	_, err := io.ReadFull(r, b)
	return string(b), err
}

// socksReply is the reply that comes nearest to a refusal.
func socksReply(refusal *Refusal) byte {
	switch {
	case refusal.Status == http.StatusForbidden:
		return socksNotAllowed
	case refusal.Code == "upstream_refused":
		return socksRefused
	case refusal.Code == "upstream_unreachable":
		return socksNetworkUnreachable
	case refusal.Code == "upstream_dns", refusal.Code == "upstream_timeout":
		return socksHostUnreachable
	}
	return socksFailed
}

package proxy

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"syscall"
	"time"
)

const dialTimeout = 30 * time.Second

// policy says which addresses a connection may have at its other end. It is
// asked about the address that is dialled, after every look-up.
type policy uint8

const (
	// blindly is for connections that carry nothing of ours: everything but
	// metadata services, the proxy itself and what is no host at all.
	blindly policy = iota
	// publicly is for connections that may carry a credential: the public
	// internet only, unless the route itself names an address or localhost.
	publicly
)

// dial connects to the routed host, through the parent proxy where there is
// one.
func (s *server) dial(ctx context.Context, to authority, scheme string, allowed policy) (net.Conn, error) {
	if err := s.checkHost(to); err != nil {
		return nil, err
	}
	ctx, cancel := s.untilClosed(ctx)
	defer cancel()
	parent, err := s.parent(to, scheme)
	if err != nil {
		return nil, err
	}
	if parent != nil {
		return s.dialThrough(ctx, parent, to)
	}
	if _, literal := to.addr(); literal || to.host == "localhost" {
		allowed = blindly
	}
	return s.dialAddress(ctx, to.String(), allowed)
}

// untilClosed is ctx, and over at the latest when the proxy's time is.
func (s *server) untilClosed(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	stop := context.AfterFunc(s.ctx, cancel)
	return ctx, func() { stop(); cancel() }
}

// checkHost refuses what is refused by name or literal address, whoever
// resolves it.
func (s *server) checkHost(to authority) error {
	if to.host == metadataHost {
		return forbidden("metadata", "cloud metadata services are never reached through this proxy")
	}
	ip, ok := to.addr()
	if !ok {
		return nil
	}
	return s.checkAddress(netip.AddrPortFrom(ip, to.port), blindly)
}

// checkAddress is asked about every address before it is dialled.
func (s *server) checkAddress(a netip.AddrPort, allowed policy) error {
	ip := unwrap(a.Addr())
	switch {
	case isMetadata(ip):
		return forbidden("metadata", "cloud metadata services are never reached through this proxy")
	case isUndialable(ip):
		return forbidden("address", "the address belongs to no host")
	case s.isOwn(netip.AddrPortFrom(ip, a.Port())):
		return forbidden("loop", "the proxy is asked to connect to itself")
	case allowed == publicly && !IsPublic(ip):
		return forbidden("private_address", "the host has an address that is not on the public internet, and was not logged in for with one; no credential goes there")
	}
	return nil
}

// isOwn reports whether a is where this proxy listens. A port of ours on any
// loopback address is.
func (s *server) isOwn(a netip.AddrPort) bool {
	own := s.addr.Load()
	return own != nil && int(a.Port()) == own.Port && a.Addr().IsLoopback()
}

func forbidden(code, message string) error {
	return &Refusal{Status: http.StatusForbidden, Code: code, Message: message}
}

// keepAlive finds out within a minute that a silent server has vanished.
func keepAlive() net.KeepAliveConfig {
	return net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 3}
}

// dialAddress dials host:port directly, IPv6 and IPv4 in parallel (RFC 6555)
// and one address after another. Each is checked when it is dialled: those of
// a mixed answer that are not allowed are passed over.
func (s *server) dialAddress(ctx context.Context, address string, allowed policy) (net.Conn, error) {
	ctx, cancel := s.untilClosed(ctx)
	defer cancel()
	dialer := net.Dialer{
		Timeout:         dialTimeout,
		KeepAliveConfig: keepAlive(),
		Resolver:        s.resolver,
		ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
			a, err := netip.ParseAddrPort(address)
			if err != nil {
				return errors.New("dialled address is not an address: " + strconv.Quote(address))
			}
			return s.checkAddress(a, allowed)
		},
	}
	return dialer.DialContext(ctx, "tcp", address)
}

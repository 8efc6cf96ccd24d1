package proxy

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
)

// identity is how the proxy knows whose connection it serves.
type identity struct {
	// owner returns the user id of the socket at the client's end of a
	// connection, looked up by its two addresses. Nil where the operating
	// system can't tell; then the password decides.
	owner func(client, proxy netip.AddrPort) (uid int, err error)
	uid   int
}

var errPeer = errors.New("connection of another user")

// check reports whether the client at the other end of c may use the proxy.
func (id *identity) check(c net.Conn) error {
	if id.owner == nil {
		return nil
	}
	client, err := addrPort(c.RemoteAddr())
	if err != nil {
		return err
	}
	local, err := addrPort(c.LocalAddr())
	if err != nil {
		return err
	}
	uid, err := id.owner(client, local)
	if err != nil {
		return fmt.Errorf("owner of %s: %w", client, err)
	}
	if uid != id.uid {
		return errPeer
	}
	return nil
}

// gone reports whether the client's end of c is no longer held by a process,
// as far as the system tells: a stream that has ended may still be read at the
// other end.
func (id *identity) gone(c net.Conn) bool {
	return id.owner != nil && id.check(c) != nil
}

func addrPort(a net.Addr) (netip.AddrPort, error) {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}, fmt.Errorf("%s is no TCP address", a)
	}
	ap := tcp.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port()), nil
}

// identify finds out, with a connection from the proxy to itself, which of
// the system's answers can be relied on. A system that can't tell, or tells
// wrong, leaves the password.
func identify(l net.Listener) *identity {
	for _, owner := range socketOwners() {
		id := &identity{owner: owner, uid: os.Getuid()}
		if id.probe(l.Addr()) == nil {
			return id
		}
	}
	return &identity{}
}

// probe asks about a socket that is certainly ours.
func (id *identity) probe(listening net.Addr) error {
	l, err := net.Listen(listening.Network(), net.JoinHostPort(listening.(*net.TCPAddr).IP.String(), "0"))
	if err != nil {
		return err
	}
	defer l.Close()
	dialed, err := net.Dial(l.Addr().Network(), l.Addr().String())
	if err != nil {
		return err
	}
	defer dialed.Close()
	accepted, err := l.Accept()
	if err != nil {
		return err
	}
	defer accepted.Close()
	return id.check(accepted)
}

// NeedsPassword reports whether clients must send Password, because the
// operating system can't tell whose connections they are. It is known after
// Listen, or once Serve has begun.
func (p *Proxy) NeedsPassword() bool {
	id := p.identity.Load()
	return p.Peer == nil && (id == nil || id.owner == nil)
}

// admits reports whether r, a request on the proxy port, carries the password
// where one is needed. Only the comparison depends on what was sent, and it
// takes the same time whatever was.
func (p *Proxy) admits(r *http.Request) bool {
	if !p.NeedsPassword() {
		return true
	}
	values := r.Header["Proxy-Authorization"]
	if len(values) != 1 {
		return false
	}
	scheme, encoded, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Basic") {
		return false
	}
	pair, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	if err != nil {
		return false
	}
	_, password, _ := strings.Cut(string(pair), ":")
	return p.isPassword(password)
}

func (p *Proxy) isPassword(s string) bool {
	return p.Password != "" && subtle.ConstantTimeCompare([]byte(s), []byte(p.Password)) == 1
}

// newPassword returns 128 random bits in letters that need no escape in a URL.
func newPassword() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

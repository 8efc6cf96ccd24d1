package proxy

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// nameServer answers DNS over UDP. The zero answer is SERVFAIL.
type nameServer struct {
	mu     sync.Mutex
	zone   map[string][]netip.Addr
	silent bool
	asked  int
}

func (n *nameServer) set(name string, addresses ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.zone[name+"."] = nil
	for _, a := range addresses {
		n.zone[name+"."] = append(n.zone[name+"."], netip.MustParseAddr(a))
	}
}

// newNameServer starts one and returns a resolver that asks it.
func newNameServer(t *testing.T) (*nameServer, *net.Resolver) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	must(t, err)
	n := &nameServer{zone: map[string][]netip.Addr{}}
	var group sync.WaitGroup
	t.Cleanup(func() { _ = conn.Close(); group.Wait() })
	group.Go(func() {
		buffer := make([]byte, 1500)
		for {
			size, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			if answer := n.answer(buffer[:size]); answer != nil {
				_, _ = conn.WriteTo(answer, from)
			}
		}
	})
	return n, &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

func (n *nameServer) answer(query []byte) []byte {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked++
	var m dnsmessage.Message
	if n.silent || m.Unpack(query) != nil {
		return nil
	}
	q := m.Questions[0]
	m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
	addresses, known := n.zone[q.Name.String()]
	if !known {
		m.RCode = dnsmessage.RCodeServerFailure
	} else if len(addresses) == 0 {
		m.RCode = dnsmessage.RCodeNameError
	}
	for _, a := range addresses {
		head := dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class}
		if a.Is4() && q.Type == dnsmessage.TypeA {
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.AResource{A: a.As4()}})
		} else if a.Is6() && q.Type == dnsmessage.TypeAAAA {
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.AAAAResource{AAAA: a.As16()}})
		}
	}
	packed, _ := m.Pack()
	return packed
}

// resolving is a server that asks a name server of the test's.
func resolving(t *testing.T) (*server, *nameServer) {
	l := newLab(t, func(_ *lab, p *Proxy) { p.Parent = nil })
	s := newServer(t.Context(), l.proxy)
	t.Cleanup(s.kill)
	n, resolver := newNameServer(t)
	s.resolver = resolver
	return s, n
}

// codeOf is that of the refusal for dialling a name with that policy.
func (s *server) codeOf(t *testing.T, address string, allowed policy) string {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	conn, err := s.dialAddress(ctx, address, allowed)
	if err == nil {
		_ = conn.Close()
		return ""
	}
	return s.explain(err).Code
}

// Of a mixed answer only what is allowed is dialled.
func TestMixedAnswer(t *testing.T) {
	s, names := resolving(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer listener.Close()
	var accepted sync.WaitGroup
	var touched atomic.Bool
	accepted.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			touched.Store(true)
			_ = conn.Close()
		}
	})
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	_, own, _ := net.SplitHostPort(s.addr.Load().String())
	t.Run("S006_mixed", func(t *testing.T) {
		names.set("mixed.test", "203.0.113.10", "127.0.0.1")
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		_, err := s.dialAddress(ctx, net.JoinHostPort("mixed.test", port), publicly)
		if err == nil || touched.Load() {
			t.Errorf("loopback was dialled: %v", err)
		}
	})
	for name, test := range map[string]struct {
		addresses []string
		port      string
		allowed   policy
		code      string
	}{
		"S006_private_only":       {[]string{"127.0.0.1"}, port, publicly, "private_address"},
		"S006_all_private":        {[]string{"127.0.0.1", "10.1.2.3", "::1"}, port, publicly, "private_address"},
		"S006_metadata":           {[]string{"169.254.169.254"}, "80", blindly, "metadata"},
		"S006_metadata_mapped":    {[]string{"64:ff9b::a9fe:a9fe"}, "80", blindly, "metadata"},
		"S006_own":                {[]string{"127.0.0.1"}, own, blindly, "loop"},
		"T030_own_by_name":        {[]string{"127.0.0.53"}, own, blindly, "loop"},
		"S006_unspecified":        {[]string{"0.0.0.0"}, port, blindly, "address"},
		"S006_unallowed_or_other": {[]string{"255.255.255.255", "127.0.0.1"}, port, blindly, ""},
	} {
		t.Run(name, func(t *testing.T) {
			names.set("mixed.test", test.addresses...)
			if code := s.codeOf(t, "mixed.test:"+test.port, test.allowed); code != test.code {
				t.Errorf("%q, want %q", code, test.code)
			}
		})
	}
	_ = listener.Close()
	accepted.Wait()
}

// A name server that fails, is silent, or comes back: each dial asks anew.
func TestNameServerFaults(t *testing.T) {
	s, names := resolving(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer listener.Close()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	address := "name.test:" + port
	status := func() int {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		conn, err := s.dialAddress(ctx, address, blindly)
		if err == nil {
			_ = conn.Close()
			return http.StatusOK
		}
		return s.explain(err).Status
	}
	for _, step := range []struct {
		name   string
		change func()
		want   int
	}{
		{"F001_servfail", func() {}, http.StatusGatewayTimeout},
		{"F001_nxdomain", func() { names.set("name.test") }, http.StatusBadGateway},
		{"F010_restored", func() { names.set("name.test", "127.0.0.1") }, http.StatusOK},
		{"F001_silent", func() { names.mu.Lock(); names.silent = true; names.mu.Unlock() }, http.StatusGatewayTimeout},
		{"F010_again", func() { names.mu.Lock(); names.silent = false; names.mu.Unlock() }, http.StatusOK},
	} {
		t.Run(step.name, func(t *testing.T) {
			step.change()
			if got := status(); got != step.want {
				t.Errorf("%d, want %d", got, step.want)
			}
		})
	}
}

// TestAddressSpellings: no resolver is asked about what some take for an address.
func TestAddressSpellings(t *testing.T) {
	s, names := resolving(t)
	for _, host := range []string{"127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0", "127.0.0.1.", "017700000001", "0x7f.1"} {
		t.Run("S001_"+host, func(t *testing.T) {
			if to, err := parseAuthority(host+":80", 0); err == nil {
				if code := s.codeOf(t, to.String(), publicly); code != "private_address" {
					t.Errorf("%s is dialled: %q", to, code)
				}
			}
		})
	}
	if names.asked > 0 {
		t.Errorf("%d look-ups", names.asked)
	}
}

// TestPrivateGrant: a name with a private address gets the credential only
// when the grant says that it is to.
func TestPrivateGrant(t *testing.T) {
	private := map[string]bool{}
	l := newLab(t, func(l *lab, p *Proxy) {
		p.Parent = nil
		p.Authorize = func(ctx context.Context, r *http.Request) (Grant, error) {
			grant, err := l.authorize(ctx, r)
			grant.Private = private[r.Header.Get("Case")]
			grant.Pool = "one" // kept apart all the same
			return grant, err
		}
	})
	names, resolver := newNameServer(t)
	names.set("git.corp.test", "127.0.0.1")
	up := l.raw("git.corp.test:443", nil, nil)
	_, port, _ := net.SplitHostPort(l.names["git.corp.test:443"])
	l.claims["git.corp.test:"+port] = true
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	s := newServer(t.Context(), l.proxy)
	s.resolver = resolver
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.run(ctx, listener) }()
	defer func() { cancel(); <-done }()
	l.addr = listener.Addr().String()
	private["named"] = true
	for _, test := range []struct {
		name, header string
		status, sent int
	}{
		{"S003_before", "other", 403, 0},
		{"named", "named", 200, 1},
		{"S003_after", "other", 403, 1}, // the connection that is open by then is not for it
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := l.secure(l.connect("git.corp.test:"+port), &tls.Config{ServerName: "git.corp.test"})
			must(t, err)
			c.say("GET / HTTP/1.1\nHost: git.corp.test:" + port + "\nCase: " + test.header + "\n\n")
			if a := c.answer("GET"); a.StatusCode != test.status || test.status == 403 && a.Header.Get("Authsome-Error") != "private_address" {
				t.Errorf("%d %s", a.StatusCode, a.body)
			}
			if n := strings.Count(up.got(), canary); n != test.sent {
				t.Errorf("credential sent %d times, want %d", n, test.sent)
			}
		})
	}
}

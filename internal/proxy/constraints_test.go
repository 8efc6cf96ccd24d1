package proxy

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// constrained is one case of T025: what an intermediate authority may issue
// for, and what it issued for.
type constrained struct {
	permitted, excluded []string // names, or networks
	names               []string // of the leaf, the routed host first
}

// valid is what RFC 5280 section 4.2.1.10 says: every name of the leaf is in
// a permitted subtree of its kind, if there is one, and in no excluded one.
func (c constrained) valid() bool {
	for _, name := range c.names {
		permitted, any := false, false
		for _, subtree := range c.permitted {
			if isNetwork(subtree) == isNetwork(name+"/0") {
				any, permitted = true, permitted || within(name, subtree)
			}
		}
		if any && !permitted {
			return false
		}
		for _, subtree := range c.excluded {
			if isNetwork(subtree) == isNetwork(name+"/0") && (within(name, subtree) || covers(name, subtree)) {
				return false
			}
		}
	}
	return true
}

func isNetwork(s string) bool { _, err := netip.ParsePrefix(s); return err == nil }

func within(name, subtree string) bool {
	if network, err := netip.ParsePrefix(subtree); err == nil {
		return network.Contains(netip.MustParseAddr(name))
	}
	name, subtree = strings.ToLower(name), strings.ToLower(subtree)
	return strings.TrimPrefix(name, "*.") == subtree && name == subtree || strings.HasSuffix(name, "."+subtree)
}

// covers reports whether a wildcard stands for a name of the subtree.
func covers(name, subtree string) bool {
	base, wildcard := strings.CutPrefix(name, "*.")
	_, parent, _ := strings.Cut(subtree, ".")
	return wildcard && strings.EqualFold(base, parent)
}

// constraints are all cases: each set of permitted subtrees with each set of
// excluded ones and each set of names.
func constraints() (all []constrained) {
	subtrees := [][]string{
		nil, {"alpha.test"}, {"test"}, {"beta.test"}, {"sub.alpha.test"}, {"ALPHA.test"}, {"pha.test"},
		{"127.0.0.0/8"}, {"10.0.0.0/8"}, {"0.0.0.0/0"}, {"::/0"}, {"alpha.test", "127.0.0.0/8"}, {"beta.test", "10.0.0.0/8"}, {"alpha.test", "beta.test"},
	}
	names := [][]string{
		{"alpha.test"}, {"sub.alpha.test"}, {"xalpha.test"}, {"alpha.test", "beta.test"}, {"alpha.test", "evil.test"},
		{"alpha.test", "127.0.0.1"}, {"alpha.test", "10.1.2.3"}, {"alpha.test", "::1"}, {"127.0.0.1"}, {"10.1.2.3", "alpha.test"},
		{"sub.alpha.test", "*.alpha.test"}, {"alpha.test", "*.beta.test"},
	}
	for _, permitted := range subtrees {
		for _, excluded := range subtrees {
			for _, n := range names {
				all = append(all, constrained{permitted, excluded, n})
			}
		}
	}
	return all
}

// TestNameConstraints: the verification of upstreams agrees with RFC 5280 on
// every combination. The cases are our own, not those of BetterTLS.
func TestNameConstraints(t *testing.T) {
	root := newCertifier(t, "root")
	l := newLab(t, func(_ *lab, p *Proxy) {
		p.Roots = func() (*x509.CertPool, error) { return root.pool(), nil }
	})
	s := newServer(t.Context(), l.proxy)
	defer s.kill()
	authorities := map[string]*certifier{}
	t.Run("T025", func(t *testing.T) {
		good := 0
		for _, c := range constraints() {
			id := fmt.Sprint(c.permitted, c.excluded)
			if authorities[id] == nil {
				authorities[id] = root.constrain(c)
			}
			leaf := authorities[id].leaf(nil, c.names...)
			leaf.Certificate = append(leaf.Certificate, authorities[id].cert.Raw)
			err := s.presented(t, leaf, c.names[0])
			if (err == nil) != c.valid() {
				t.Errorf("permitted %q, excluded %q, names %q: %v", c.permitted, c.excluded, c.names, err)
			}
			if err == nil {
				good++
			}
		}
		t.Logf("%d cases, %d valid", len(constraints()), good)
	})
}

// constrain makes an authority below root.
func (c *certifier) constrain(to constrained) *certifier {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(c.t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: fmt.Sprint(to.permitted, to.excluded)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), PermittedDNSDomainsCritical: true,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	template.PermittedDNSDomains, template.PermittedIPRanges = subtreesOf(to.permitted)
	template.ExcludedDNSDomains, template.ExcludedIPRanges = subtreesOf(to.excluded)
	der, err := x509.CreateCertificate(rand.Reader, template, c.cert, &key.PublicKey, c.key)
	must(c.t, err)
	cert, err := x509.ParseCertificate(der)
	must(c.t, err)
	return &certifier{t: c.t, cert: cert, key: key}
}

func subtreesOf(all []string) (names []string, networks []*net.IPNet) {
	for _, s := range all {
		if _, network, err := net.ParseCIDR(s); err == nil {
			networks = append(networks, network)
		} else {
			names = append(names, s)
		}
	}
	return names, networks
}

// presented is what the proxy makes of an upstream with that certificate.
func (s *server) presented(t *testing.T, leaf *tls.Certificate, host string) error {
	client, server := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = tls.Server(server, &tls.Config{Certificates: []tls.Certificate{*leaf}}).HandshakeContext(t.Context())
		_ = server.Close()
	}()
	conn, err := s.upstreams.secure(t.Context(), client, &tls.Config{ServerName: host})
	_ = client.Close()
	_ = conn
	<-done
	return err
}

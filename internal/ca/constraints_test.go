package ca

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// longName returns a DNS name of n bytes, at most 253.
func longName(n int) string {
	return (strings.Repeat(strings.Repeat("a", 62)+".", 4) + "test")[4*63+4-n:]
}

// TestConstraints compares with what crypto/x509 writes.
func TestConstraints(t *testing.T) {
	many := make([]string, 3000) // more than 64 KiB
	for i := range many {
		many[i] = fmt.Sprintf("host-%d.of.a.provider.test", i)
	}
	for name, hosts := range map[string][]string{
		"none":      {},
		"wildcards": {"api.a.test", "*.a.test", "a.test"},
		"lengths":   {longName(123), longName(124), longName(125), longName(126), longName(127), longName(128), longName(129), longName(250), longName(252), longName(253)},
		"IPv4":      {"a.test", "192.0.2.7"},
		"IPv6":      {"2001:db8::1"},
		"both":      {"127.0.0.1", "::1"},
		"many":      many,
	} {
		t.Run(name, func(t *testing.T) {
			set, err := newHostSet(hosts)
			if err != nil {
				t.Fatal(err)
			}
			got, err := set.constraints()
			if err != nil {
				t.Fatal(err)
			}
			cert := theirConstraints(t, set)
			at := slices.IndexFunc(cert.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(oidNameConstraints) })
			if diff := cmp.Diff(cert.Extensions[at], got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// theirConstraints has crypto/x509 make a certificate with the constraints.
func theirConstraints(t *testing.T, set hostSet) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	permitted, excluded := set.ipConstraints()
	cert, err := selfSign(&x509.Certificate{
		SerialNumber: big.NewInt(1), PermittedDNSDomainsCritical: true, PermittedDNSDomains: set.dnsConstraints(),
		PermittedIPRanges: networks(permitted), ExcludedIPRanges: networks(excluded),
	}, key)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func networks(prefixes []netip.Prefix) (all []*net.IPNet) {
	for _, p := range prefixes {
		all = append(all, &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())})
	}
	return all
}

// A start has the names of every provider.
func TestConstraintsAllocations(t *testing.T) {
	hosts := make([]string, 1000)
	for i := range hosts {
		hosts[i] = fmt.Sprintf("api%d.a.test", i)
	}
	set, err := newHostSet(hosts)
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(5, func() { _, _ = set.constraints() }); n > 200 {
		t.Errorf("%v allocations for 1000 names, want 200 at most", n)
	}
}

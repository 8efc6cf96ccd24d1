package ca

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func mustNew(t testing.TB, hosts ...string) *Authority {
	t.Helper()
	a, err := New(hosts)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func mustLeaf(t testing.TB, a *Authority, host string) *tls.Certificate {
	t.Helper()
	cert, err := a.Leaf(host)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// forge signs a leaf that Leaf would refuse, as one who stole the key could.
func forge(t *testing.T, a *Authority, names []string, ips []net.IP) *x509.Certificate {
	t.Helper()
	tmpl := a.leafTemplate("x.invalid")
	tmpl.DNSNames, tmpl.IPAddresses = names, ips
	der, err := a.sign(tmpl)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

func verify(t *testing.T, a *Authority, leaf *x509.Certificate, host string, at time.Time) error {
	t.Helper()
	pool, err := Pool(a.PEM())
	if err != nil {
		t.Fatal(err)
	}
	_, err = leaf.Verify(x509.VerifyOptions{DNSName: host, Roots: pool, CurrentTime: at})
	return err
}

func TestNewHosts(t *testing.T) {
	got := mustNew(t, "b.test", "*.a.test", "b.test", "127.0.0.1", "::1").Hosts()
	want := []string{"*.a.test", "127.0.0.1", "::1", "b.test"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestNewRefuses(t *testing.T) {
	for _, host := range []string{
		"", "*", "*.", ".", ".a.test", "a.test.", "A.test", "a..test", "a b.test", "-a.test", "a-.test",
		"*.*.test", "a.*.test", "*a.test", "https://a.test", "a.test:443", "a.test/x", "ä.test", "a_b.test",
		"127.1", "0x7f.0.0.1", "1", "256.0.0.1", "[::1]", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1", "fe80::1%eth0",
		"a\x00.test", "a\n.test", strings.Repeat("a", 64) + ".test", strings.Repeat("a.", 127) + "test",
	} {
		if _, err := New([]string{"ok.test", host}); !errors.Is(err, ErrInvalidHost) {
			t.Errorf("New(%q) = %v, want ErrInvalidHost", host, err)
		}
	}
}

func TestRoot(t *testing.T) {
	a := mustNew(t, "api.a.test", "*.b.test")
	block, rest := pem.Decode(a.PEM())
	if block == nil || len(rest) != 0 {
		t.Fatal("not exactly one PEM block")
	}
	root, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	type facts struct {
		IsCA, Critical, PathLenZero bool
		Usage                       x509.KeyUsage
		Ext                         []x509.ExtKeyUsage
		Permitted                   []string
		PermittedIP                 int
		ExcludedIP                  string
		SerialBits                  int
	}
	got := facts{root.IsCA, root.PermittedDNSDomainsCritical, root.MaxPathLenZero, root.KeyUsage, root.ExtKeyUsage,
		root.PermittedDNSDomains, len(root.PermittedIPRanges), fmt.Sprint(root.ExcludedIPRanges), root.SerialNumber.BitLen()}
	want := facts{true, true, true, x509.KeyUsageCertSign, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		[]string{"api.a.test", "b.test"}, 0, "[0.0.0.0/0 ::/0]", 128}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(root.SubjectKeyId) == 0 {
		t.Error("no subject key identifier")
	}
	if !a.NotAfter().Equal(root.NotAfter) {
		t.Errorf("NotAfter() = %v, certificate says %v", a.NotAfter(), root.NotAfter)
	}
	t.Run("T023_expires_within_24h", func(t *testing.T) {
		if root.NotAfter.After(time.Now().Add(24 * time.Hour)) {
			t.Errorf("valid until %v", root.NotAfter)
		}
		leaf := mustLeaf(t, a, "api.a.test").Leaf
		err := verify(t, a, leaf, "api.a.test", time.Now().Add(24*time.Hour+time.Second))
		var invalid x509.CertificateInvalidError
		if !errors.As(err, &invalid) || invalid.Reason != x509.Expired {
			t.Errorf("a day later: %v, want expired", err)
		}
	})
}

func TestLeaf(t *testing.T) {
	a := mustNew(t, "api.a.test", "*.b.test", "127.0.0.1", "::1")
	for _, host := range []string{"api.a.test", "x.b.test", "y.x.b.test", "127.0.0.1", "::1"} {
		t.Run("T012_"+host, func(t *testing.T) {
			leaf := mustLeaf(t, a, host).Leaf
			names := append([]string{}, leaf.DNSNames...)
			for _, ip := range leaf.IPAddresses {
				names = append(names, ip.String())
			}
			if diff := cmp.Diff([]string{host}, append(names, leaf.EmailAddresses...)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff([]x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, leaf.ExtKeyUsage); diff != "" {
				t.Error(diff)
			}
			if leaf.IsCA || leaf.KeyUsage != x509.KeyUsageDigitalSignature || leaf.Subject.CommonName != "" || len(leaf.URIs) > 0 {
				t.Errorf("CA %v, usage %v, common name %q, URIs %v", leaf.IsCA, leaf.KeyUsage, leaf.Subject.CommonName, leaf.URIs)
			}
			if leaf.NotAfter.After(a.root.NotAfter) || leaf.NotBefore.Before(a.root.NotBefore) {
				t.Errorf("valid %v to %v, outside the root's", leaf.NotBefore, leaf.NotAfter)
			}
			if leaf.SerialNumber.BitLen() != 128 {
				t.Errorf("serial of %d bits", leaf.SerialNumber.BitLen())
			}
			if err := verify(t, a, leaf, host, time.Now()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestLeafRefuses(t *testing.T) {
	a := mustNew(t, "api.a.test", "*.b.test", "127.0.0.1")
	for _, host := range []string{
		"", "a.test", "x.api.a.test", "api.a.test.", "API.a.test", "api.a.test:443", "b.test", ".b.test", "*.b.test",
		"x..b.test", "xb.test", "x.b.test.evil.test", "ä.b.test", "x\x00.b.test", "x\n.b.test", "x_y.b.test",
		"127.0.0.2", "127.1", "::1", "::ffff:127.0.0.1", "127.0.0.1.", strings.Repeat("a", 1<<20) + ".b.test",
	} {
		cert, err := a.Leaf(host)
		if !errors.Is(err, ErrNotPermitted) || cert != nil {
			t.Errorf("T012: Leaf(%.40q) = %v, %v, want ErrNotPermitted", host, cert != nil, err)
		}
		if err != nil && len(err.Error()) > 500 {
			t.Errorf("error of %d bytes", len(err.Error()))
		}
	}
	if _, err := mustNew(t).Leaf("a.test"); !errors.Is(err, ErrNotPermitted) {
		t.Errorf("no hosts: %v, want ErrNotPermitted", err)
	}
}

// What a thief of the key could sign must not verify.
func TestForgedLeaf(t *testing.T) {
	names, onlyIP, nothing := mustNew(t, "api.a.test"), mustNew(t, "127.0.0.1"), mustNew(t)
	loopback6 := net.ParseIP("::1")
	for _, tt := range []struct {
		name  string
		a     *Authority
		names []string
		ips   []net.IP
		host  string
	}{
		{"foreign name", names, []string{"evil.test"}, nil, "evil.test"},
		{"foreign beside permitted", names, []string{"api.a.test", "evil.test"}, nil, "api.a.test"},
		{"parent", names, []string{"a.test"}, nil, "a.test"},
		{"wildcard of parent", names, []string{"*.a.test"}, nil, "api.a.test"},
		{"no label boundary", names, []string{"evilapi.a.test"}, nil, "evilapi.a.test"},
		{"IPv4 address", names, nil, []net.IP{{192, 0, 2, 1}}, "192.0.2.1"},
		{"IPv6 address", names, nil, []net.IP{loopback6}, "::1"},
		{"name under addresses", onlyIP, []string{"evil.test"}, nil, "evil.test"},
		{"other address", onlyIP, nil, []net.IP{{127, 0, 0, 2}}, "127.0.0.2"},
		{"other family", onlyIP, nil, []net.IP{loopback6}, "::1"},
		{"name under nothing", nothing, []string{"evil.test"}, nil, "evil.test"},
		{"address under nothing", nothing, nil, []net.IP{{127, 0, 0, 1}}, "127.0.0.1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := verify(t, tt.a, forge(t, tt.a, tt.names, tt.ips), tt.host, time.Now())
			var invalid x509.CertificateInvalidError
			if !errors.As(err, &invalid) || invalid.Reason != x509.CANotAuthorizedForThisName {
				t.Errorf("%v, want a name constraint violation", err)
			}
		})
	}
}

// A root below ours, and uses other than serving, are refused too.
func TestForgedUses(t *testing.T) {
	a := mustNew(t, "api.a.test")
	t.Run("client", func(t *testing.T) {
		tmpl := a.leafTemplate("api.a.test")
		tmpl.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		der, err := a.sign(tmpl)
		if err != nil {
			t.Fatal(err)
		}
		leaf, _ := x509.ParseCertificate(der)
		pool, _ := Pool(a.PEM())
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: pool, KeyUsages: tmpl.ExtKeyUsage}); err == nil {
			t.Error("accepted for client authentication")
		}
	})
	t.Run("intermediate", func(t *testing.T) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		tmpl := a.leafTemplate("api.a.test")
		tmpl.IsCA, tmpl.KeyUsage, tmpl.DNSNames = true, x509.KeyUsageCertSign, nil
		tmpl.Subject.CommonName = "below"
		// The shared leaf key is the intermediate's here.
		der, err := a.sign(tmpl)
		if err != nil {
			t.Fatal(err)
		}
		between, _ := x509.ParseCertificate(der)
		der, err = x509.CreateCertificate(rand.Reader, a.leafTemplate("api.a.test"), between, key.Public(), a.leaves.key)
		if err != nil {
			t.Fatal(err)
		}
		leaf, _ := x509.ParseCertificate(der)
		roots, _ := Pool(a.PEM())
		inter := x509.NewCertPool()
		inter.AddCert(between)
		if _, err := leaf.Verify(x509.VerifyOptions{DNSName: "api.a.test", Roots: roots, Intermediates: inter}); err == nil {
			t.Error("a second authority below the root was accepted")
		}
	})
}

func TestClock(t *testing.T) {
	a := mustNew(t, "api.a.test")
	leaf := mustLeaf(t, a, "api.a.test").Leaf
	for _, skew := range []time.Duration{-59 * time.Minute, -10 * time.Minute, 10 * time.Minute, 23 * time.Hour} {
		t.Run("T014_"+skew.String(), func(t *testing.T) {
			if err := verify(t, a, leaf, "api.a.test", time.Now().Add(skew)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestTwoRuns(t *testing.T) {
	a, b := mustNew(t, "api.a.test"), mustNew(t, "api.a.test")
	t.Run("T021_roots_do_not_trust_each_other", func(t *testing.T) {
		var unknown x509.UnknownAuthorityError
		if err := verify(t, b, mustLeaf(t, a, "api.a.test").Leaf, "api.a.test", time.Now()); !errors.As(err, &unknown) {
			t.Errorf("%v, want an unknown authority", err)
		}
	})
	if bytes.Equal(a.root.RawSubject, b.root.RawSubject) {
		t.Error("two runs' roots have one name")
	}
}

func TestMintedOnce(t *testing.T) {
	a := mustNew(t, "api.a.test")
	const askers = 64
	certs := make([]*tls.Certificate, askers)
	var wg sync.WaitGroup
	for i := range askers {
		wg.Go(func() { certs[i], _ = a.Leaf("api.a.test") })
	}
	wg.Wait()
	for i, c := range certs {
		if c == nil || c != certs[0] {
			t.Fatalf("asker %d got another certificate", i)
		}
	}
}

func TestCacheIsBounded(t *testing.T) {
	a := mustNew(t, "*.b.test", "keep.test")
	kept := mustLeaf(t, a, "keep.test")
	first := mustLeaf(t, a, "first.b.test")
	for i := range maxLeaves {
		mustLeaf(t, a, fmt.Sprintf("x%d.b.test", i))
		mustLeaf(t, a, "keep.test")
	}
	if n, m := a.leaves.recent.Len(), len(a.leaves.byHost); n != maxLeaves || m != maxLeaves {
		t.Errorf("cache holds %d and %d leaves, want %d", n, m, maxLeaves)
	}
	if mustLeaf(t, a, "keep.test") != kept {
		t.Error("the leaf in use was dropped")
	}
	if mustLeaf(t, a, "first.b.test") == first {
		t.Error("the oldest leaf was kept")
	}
}

// T011: neither key may show when the authority is printed by mistake.
func TestPrintsNoKey(t *testing.T) {
	a := mustNew(t, "api.a.test")
	mustLeaf(t, a, "api.a.test")
	for _, verb := range []string{"%v", "%+v", "%#v"} {
		if s := fmt.Sprintf(verb, a); strings.Contains(s, "PrivateKey{") || strings.Contains(s, "D:") {
			t.Errorf("T011: %s shows a key", verb)
		}
	}
}

func FuzzHost(f *testing.F) {
	for _, s := range []string{"api.a.test", "*.b.test", "127.0.0.1", "::1", "a.test.", "0x7f.1", "xn--4ca.test"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, claimed, asked string) {
		set, err := newHostSet([]string{claimed})
		if err != nil {
			return
		}
		if diff := cmp.Diff([]string{claimed}, set.list()); diff != "" {
			t.Fatal(diff)
		}
		base, wildcard := strings.CutPrefix(claimed, "*.")
		if set.permits(asked) && asked != claimed && !(wildcard && strings.HasSuffix(asked, "."+base)) {
			t.Fatalf("%q permits %q", claimed, asked)
		}
	})
}

func BenchmarkNew(b *testing.B) {
	hosts := make([]string, 100)
	for i := range hosts {
		hosts[i] = fmt.Sprintf("api%d.a.test", i)
	}
	for b.Loop() {
		mustNew(b, hosts...)
	}
}

func BenchmarkMint(b *testing.B) {
	a := mustNew(b, "*.b.test")
	for i := 0; b.Loop(); i++ {
		mustLeaf(b, a, fmt.Sprintf("x%d.b.test", i))
	}
}

func BenchmarkCachedLeaf(b *testing.B) {
	a := mustNew(b, "api.a.test")
	for b.Loop() {
		mustLeaf(b, a, "api.a.test")
	}
}

// TestSPKI: the hash is that of every leaf's key, and of no other run's.
func TestSPKI(t *testing.T) {
	a := mustNew(t, "api.example.com", "*.example.org")
	for _, host := range []string{"api.example.com", "a.example.org"} {
		sum := sha256.Sum256(mustLeaf(t, a, host).Leaf.RawSubjectPublicKeyInfo)
		if want := base64.StdEncoding.EncodeToString(sum[:]); a.SPKI() != want {
			t.Errorf("%s: %s, want %s", host, a.SPKI(), want)
		}
	}
	if mustNew(t, "api.example.com").SPKI() == a.SPKI() {
		t.Error("two runs have one key")
	}
}

package ca

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func mustRoot(t testing.TB, hosts ...string) *Root {
	t.Helper()
	r, err := NewRoot(hosts)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func mustIssue(t testing.TB, r *Root, hosts ...string) *Authority {
	t.Helper()
	a, err := r.Issue(hosts)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// verifyChain verifies as a client that has nothing but the root.
func verifyChain(r *Root, chain [][]byte, host string, at time.Time) error {
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(r.cert)
	for _, der := range chain[1:] {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return err
		}
		between.AddCert(cert)
	}
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return err
	}
	_, err = leaf.Verify(x509.VerifyOptions{DNSName: host, Roots: roots, Intermediates: between, CurrentTime: at})
	return err
}

func TestRootCertificate(t *testing.T) {
	r := mustRoot(t, "api.a.test", "*.b.test")
	type facts struct {
		IsCA, Critical bool
		PathLen        int
		Usage          x509.KeyUsage
		Ext            []x509.ExtKeyUsage
		Permitted      []string
		ExcludedIP     string
		Days           int
	}
	got := facts{r.cert.IsCA, r.cert.PermittedDNSDomainsCritical, r.cert.MaxPathLen, r.cert.KeyUsage, r.cert.ExtKeyUsage,
		r.cert.PermittedDNSDomains, fmt.Sprint(r.cert.ExcludedIPRanges), int(r.cert.NotAfter.Sub(r.cert.NotBefore).Hours() / 24)}
	want := facts{true, true, 1, x509.KeyUsageCertSign, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		[]string{"api.a.test", "b.test"}, "[0.0.0.0/0 ::/0]", 365}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestIssue(t *testing.T) {
	r := mustRoot(t, "api.a.test", "*.b.test", "127.0.0.1")
	a := mustIssue(t, r, "api.a.test", "*.b.test", "127.0.0.1")
	if !bytes.Equal(a.PEM(), r.PEM()) {
		t.Error("a client is to trust something else than the root")
	}
	if a.NotAfter().After(time.Now().Add(lifetime)) {
		t.Errorf("the run's authority is valid until %v", a.NotAfter())
	}
	for _, host := range []string{"api.a.test", "x.b.test", "127.0.0.1"} {
		cert := mustLeaf(t, a, host)
		if len(cert.Certificate) != 2 {
			t.Fatalf("%s: %d certificates are sent, want leaf and intermediate", host, len(cert.Certificate))
		}
		if err := verifyChain(r, cert.Certificate, host, time.Now()); err != nil {
			t.Errorf("%s: %v", host, err)
		}
		if err := verifyChain(r, cert.Certificate, host, time.Now().Add(lifetime+time.Second)); err == nil {
			t.Errorf("%s: good a day later", host)
		}
		if err := verifyChain(mustRoot(t, "api.a.test"), cert.Certificate, host, time.Now()); err == nil {
			t.Errorf("%s: another root is taken for this one", host)
		}
	}
}

// A run's key is worth nothing beyond the run's hosts, the root's nothing
// beyond its own.
func TestForgedBelowRoot(t *testing.T) {
	r := mustRoot(t, "api.a.test", "api.b.test")
	a := mustIssue(t, r, "api.a.test")
	chain := func(leaf *x509.Certificate, above *Authority) [][]byte { return [][]byte{leaf.Raw, above.root.Raw} }
	wide, err := newAuthority(mustSet(t, "evil.test"), r.certify, r.PEM())
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		chain [][]byte
		host  string
	}{
		"outside the run":      {chain(forge(t, a, []string{"api.b.test"}, nil), a), "api.b.test"},
		"outside both":         {chain(forge(t, a, []string{"evil.test"}, nil), a), "evil.test"},
		"address":              {chain(forge(t, a, nil, []net.IP{{127, 0, 0, 1}}), a), "127.0.0.1"},
		"intermediate for all": {chain(forge(t, wide, []string{"evil.test"}, nil), wide), "evil.test"},
	} {
		t.Run(name, func(t *testing.T) {
			var invalid x509.CertificateInvalidError
			if err := verifyChain(r, tt.chain, tt.host, time.Now()); !errors.As(err, &invalid) || invalid.Reason != x509.CANotAuthorizedForThisName {
				t.Errorf("%v, want a name constraint violation", err)
			}
		})
	}
}

func mustSet(t *testing.T, hosts ...string) hostSet {
	t.Helper()
	set, err := newHostSet(hosts)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestSplit(t *testing.T) {
	r := mustRoot(t, "api.a.test", "*.b.test", "127.0.0.1")
	inside, outside := r.Split([]string{"x.b.test", "*.b.test", "b.test", "*.y.b.test", "api.a.test", "x.api.a.test", "127.0.0.1",
		"127.0.0.2", "::1", "a.test", "*.a.test", "xb.test", "*.test", "evil.test", "evil.test", "bad host"})
	if diff := cmp.Diff([]string{"*.b.test", "*.y.b.test", "127.0.0.1", "api.a.test", "b.test", "x.api.a.test", "x.b.test"}, inside); diff != "" {
		t.Errorf("inside: %s", diff)
	}
	if diff := cmp.Diff([]string{"*.a.test", "*.test", "127.0.0.2", "::1", "a.test", "bad host", "evil.test", "xb.test"}, outside); diff != "" {
		t.Errorf("outside: %s", diff)
	}
	if _, err := r.Issue([]string{"api.a.test", "evil.test"}); !errors.Is(err, ErrNotPermitted) {
		t.Errorf("Issue = %v, want ErrNotPermitted", err)
	}
	// What is inside can really be issued.
	a := mustIssue(t, r, inside...)
	for _, host := range []string{"x.b.test", "z.y.b.test", "b.test", "api.a.test", "x.api.a.test", "127.0.0.1"} {
		if err := verifyChain(r, mustLeaf(t, a, host).Certificate, host, time.Now()); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
}

func TestRootExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := mustRoot(t, "api.a.test")
		time.Sleep(rootLifetime - 3*time.Hour)
		if a := mustIssue(t, r, "api.a.test"); a.NotAfter().After(r.NotAfter()) {
			t.Errorf("the run's authority outlives the root: %v, %v", a.NotAfter(), r.NotAfter())
		}
		time.Sleep(3 * time.Hour)
		if _, err := r.Issue([]string{"api.a.test"}); err == nil {
			t.Error("an expired root issues")
		}
	})
}

func TestKept(t *testing.T) {
	r := mustRoot(t, "api.a.test")
	old := [][]byte{mustRoot(t, "old.test").PEM(), mustRoot(t, "older.test").PEM()}
	for name, kept := range map[string]Kept{"nothing": {}, "root": {r, nil}, "both": {r, old}, "retired": {nil, old}, "retire": Kept{r, old}.Retire()} {
		data, err := kept.Encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseKept(data)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if (got.Root == nil) != (kept.Root == nil) || got.Root != nil && !got.Root.cert.Equal(r.cert) {
			t.Errorf("%s: another root came back", name)
		}
		if diff := cmp.Diff(kept.Retired, got.Retired); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if kept.Root == nil && bytes.Contains(data, []byte("PRIVATE")) {
			t.Errorf("%s: the key is still there", name)
		}
		if got.Root != nil {
			leaf := mustLeaf(t, mustIssue(t, got.Root, "api.a.test"), "api.a.test")
			if err := verifyChain(r, leaf.Certificate, "api.a.test", time.Now()); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if diff := cmp.Diff(append([][]byte{r.PEM()}, old...), Kept{r, old}.Retire().Retired); diff != "" {
		t.Errorf("retired: %s", diff)
	}
}

func TestParseKeptRefuses(t *testing.T) {
	r, other := mustRoot(t, "api.a.test"), mustRoot(t, "api.a.test")
	data, _ := Kept{Root: r}.Encode()
	_, key := pem.Decode(data)
	for name, bad := range map[string][]byte{
		"text":          []byte("nothing"),
		"key alone":     key,
		"foreign key":   append(other.PEM(), key...),
		"key second":    append(append(other.PEM(), r.PEM()...), key...),
		"key twice":     append(bytes.Clone(data), key...),
		"cut":           data[:len(data)-10],
		"no CA":         append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: mustLeaf(t, mustNew(t, "a.test"), "a.test").Certificate[0]}), key...),
		"other type":    pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: []byte("x")}),
		"not a P-256":   append(r.PEM(), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")})...),
		"trailing text": append(bytes.Clone(data), "x"...),
	} {
		if _, err := ParseKept(bad); !errors.Is(err, ErrRoot) {
			t.Errorf("%s: %v, want ErrRoot", name, err)
		}
	}
}

// FuzzParseKept: what is accepted comes back the same.
func FuzzParseKept(f *testing.F) {
	data, err := Kept{mustRoot(f, "api.a.test"), [][]byte{mustRoot(f, "b.test").PEM()}}.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		kept, err := ParseKept(data)
		if err != nil {
			return
		}
		again, err := kept.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseKept(again); err != nil {
			t.Fatalf("%v after Encode", err)
		}
	})
}

// Real clients that are given nothing but the root.
func TestRealClientsBelowRoot(t *testing.T) {
	r := mustRoot(t, "api.a.test", "*.b.test", "evil-below.test")
	run := mustIssue(t, r, "api.a.test", "*.b.test")
	forged := forgeTLS(t, run, []string{"evil-below.test"}, nil)
	forged.Certificate = append(forged.Certificate, run.root.Raw)
	for _, tt := range []struct {
		name, host string
		leaf       *tls.Certificate
		accept     bool
	}{
		{"exact", "api.a.test", mustLeaf(t, run, "api.a.test"), true},
		{"wildcard", "y.x.b.test", mustLeaf(t, run, "y.x.b.test"), true},
		{"outside_the_run", "evil-below.test", forged, false},
	} {
		for _, c := range clients {
			t.Run(tt.name+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				c.connect(t, tt.host, tt.leaf, r.PEM(), tt.accept)
			})
		}
	}
}

package ca

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// rootLifetime is how long a Root is valid: long enough to install it rarely.
const rootLifetime = 365 * 24 * time.Hour

// ErrRoot is wrapped when what should be a Root, or Kept, is none.
var ErrRoot = errors.New("damaged certificate authority")

// Root is a certificate authority that outlives runs, for stores that programs
// of other runs read. Each run issues from an intermediate below it. Its
// constraints are those of a run's own authority.
type Root struct {
	cert *x509.Certificate
	// issue and export close over the key, so that printing a Root can't show
	// it.
	issue  func(tmpl *x509.Certificate, public any) (der []byte, err error)
	export func() ([]byte, error)
}

// NewRoot makes a root for hosts, which are as in New.
func NewRoot(hosts []string) (*Root, error) {
	set, err := newHostSet(hosts)
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("root key: %w", err)
	}
	tmpl, err := rootTemplate(set)
	if err != nil {
		return nil, fmt.Errorf("root certificate: %w", err)
	}
	tmpl.Subject.CommonName = "authsome-" + hex.EncodeToString(tmpl.SerialNumber.Bytes()[:8])
	tmpl.NotAfter = tmpl.NotBefore.Add(rootLifetime)
	tmpl.MaxPathLen, tmpl.MaxPathLenZero = 1, false
	cert, err := selfSign(tmpl, key)
	if err != nil {
		return nil, fmt.Errorf("root certificate: %w", err)
	}
	return newRoot(cert, key), nil
}

func newRoot(cert *x509.Certificate, key *ecdsa.PrivateKey) *Root {
	return &Root{
		cert: cert,
		issue: func(tmpl *x509.Certificate, public any) ([]byte, error) {
			return x509.CreateCertificate(rand.Reader, tmpl, cert, public, key)
		},
		export: func() ([]byte, error) { return x509.MarshalPKCS8PrivateKey(key) },
	}
}

// parseRoot reads certificate and key, DER. Its errors show nothing of either.
func parseRoot(certificate, private []byte) (*Root, error) {
	cert, err := x509.ParseCertificate(certificate)
	if err != nil {
		return nil, fmt.Errorf("%w: certificate", ErrRoot)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(private)
	key, ok := parsed.(*ecdsa.PrivateKey)
	if err != nil || !ok || key.Curve != elliptic.P256() {
		return nil, fmt.Errorf("%w: no P-256 key", ErrRoot)
	}
	if !cert.IsCA || !cert.PermittedDNSDomainsCritical || !key.PublicKey.Equal(cert.PublicKey) {
		return nil, fmt.Errorf("%w: the key is not the certificate's", ErrRoot)
	}
	return newRoot(cert, key), nil
}

// PEM returns the certificate as one PEM block.
func (r *Root) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.cert.Raw})
}

// NotAfter is when the root stops being valid.
func (r *Root) NotAfter() time.Time { return r.cert.NotAfter }

// Split tells the hosts that the root may issue for from those outside its
// constraints, each sorted and without repetition.
func (r *Root) Split(hosts []string) (inside, outside []string) {
	for _, host := range hosts {
		if r.covers(host) {
			inside = append(inside, host)
		} else {
			outside = append(outside, host)
		}
	}
	slices.Sort(inside)
	slices.Sort(outside)
	return slices.Compact(inside), slices.Compact(outside)
}

func (r *Root) covers(host string) bool {
	set, err := newHostSet([]string{host})
	if err != nil {
		return false
	}
	for ip := range set.ips {
		for _, network := range r.cert.PermittedIPRanges {
			if network.Contains(ip.AsSlice()) {
				return true
			}
		}
		return false
	}
	name := strings.TrimPrefix(host, "*.")
	return slices.ContainsFunc(r.cert.PermittedDNSDomains, func(domain string) bool {
		return name == domain || strings.HasSuffix(name, "."+domain)
	})
}

// Issue makes the authority of one run, an intermediate below the root, for
// hosts within its constraints. It is constrained to exactly them, and lives
// as long as that of New, but no longer than the root.
func (r *Root) Issue(hosts []string) (*Authority, error) {
	set, err := newHostSet(hosts)
	if err != nil {
		return nil, err
	}
	if _, outside := r.Split(hosts); len(outside) > 0 {
		return nil, fmt.Errorf("%.80q: %w", outside[0], ErrNotPermitted)
	}
	if now := time.Now(); now.After(r.cert.NotAfter) {
		return nil, fmt.Errorf("the installed certificate authority expired on %s", r.cert.NotAfter.Format(time.DateOnly))
	}
	return newAuthority(set, r.certify, r.PEM())
}

// certify signs a run's certificate, which must not outlive the root.
func (r *Root) certify(tmpl *x509.Certificate, key *ecdsa.PrivateKey) (*x509.Certificate, error) {
	tmpl.NotBefore = later(tmpl.NotBefore, r.cert.NotBefore)
	if tmpl.NotAfter.After(r.cert.NotAfter) {
		tmpl.NotAfter = r.cert.NotAfter
	}
	der, err := r.issue(tmpl, key.Public())
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// later returns the later of two times.
func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

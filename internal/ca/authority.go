// Package ca is the run's certificate authority: a P-256 key that lives in
// memory for as long as the run, a root certificate constrained to the hosts
// the run may intercept, one leaf per host, and the bundle that makes a child
// trust it. A Root is one that was installed on purpose and outlives runs; a
// run's own is then an intermediate below it.
//
// It knows no provider, no credential and no proxy; hosts are handed in. An
// attacker who steals the root's key can forge certificates for those hosts,
// for a day, towards clients of that one run; for nothing else, because the
// constraints are critical and cover IP addresses too. One who controls the
// names asked for is stopped by Leaf, which mints for permitted hosts only.
package ca

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"slices"
	"time"
)

const (
	// lifetime bounds what a captured root is worth, and how long a run can
	// intercept.
	lifetime = 24 * time.Hour
	// backdate lets clients with a slow clock connect.
	backdate = time.Hour
)

// Authority issues leaves for the hosts it was made for. It is safe for
// concurrent use.
type Authority struct {
	hosts hostSet
	root  *x509.Certificate // what leaves are issued from: a root, or an intermediate of Root.Issue
	pem   []byte            // the trust anchor
	// sign closes over the issuing key, so that printing an Authority can't
	// show it.
	sign   func(leaf *x509.Certificate) (der []byte, err error)
	leaves leafCache
}

// New makes an authority for hosts: exact names in lower case
// ("api.github.com"), wildcards for one or more labels ("*.example.com") and
// IP addresses ("127.0.0.1", "::1"). Without hosts it can issue nothing. The
// error wraps ErrInvalidHost and names the host.
func New(hosts []string) (*Authority, error) {
	set, err := newHostSet(hosts)
	if err != nil {
		return nil, err
	}
	return newAuthority(set, selfSign, nil)
}

// newAuthority makes the authority of one run. certify signs its certificate;
// anchor is the root above it, PEM, nil when it is one itself.
func newAuthority(set hostSet, certify func(*x509.Certificate, *ecdsa.PrivateKey) (*x509.Certificate, error), anchor []byte) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("root key: %w", err)
	}
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("leaf key: %w", err)
	}
	tmpl, err := rootTemplate(set)
	if err != nil {
		return nil, fmt.Errorf("root certificate: %w", err)
	}
	root, err := certify(tmpl, key)
	if err != nil {
		return nil, fmt.Errorf("root certificate: %w", err)
	}
	chain := [][]byte{root.Raw}
	if anchor == nil { // a client has the root already
		anchor, chain = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Raw}), nil
	}
	return &Authority{
		hosts: set,
		root:  root,
		pem:   anchor,
		sign: func(leaf *x509.Certificate) ([]byte, error) {
			return x509.CreateCertificate(rand.Reader, leaf, root, leafKey.Public(), key)
		},
		leaves: leafCache{key: leafKey, chain: chain},
	}, nil
}

// PEM returns the root certificate, what a client has to trust, as one PEM
// block.
func (a *Authority) PEM() []byte { return slices.Clone(a.pem) }

// SPKI returns the base64 of the SHA-256 of the SubjectPublicKeyInfo of the key
// that all leaves share: a pin of RFC 7469, section 2.4, which Chromium takes
// where it reads no certificates.
func (a *Authority) SPKI() string {
	der, err := x509.MarshalPKIXPublicKey(a.leaves.key.Public())
	if err != nil {
		return "" // not of a P-256 key
	}
	sum := sha256.Sum256(der)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// Hosts returns the hosts the authority was made for, sorted, each once.
func (a *Authority) Hosts() []string { return a.hosts.list() }

// NotAfter is when the run's certificate, and with it every leaf, stops being
// valid.
func (a *Authority) NotAfter() time.Time { return a.root.NotAfter }

func selfSign(tmpl *x509.Certificate, key *ecdsa.PrivateKey) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// rootTemplate describes a root by RFC 5280: pathLen 0, serverAuth only, and
// critical name constraints (section 4.2.1.10). The subject is unique per run
// so that clients holding two runs' roots never take one for the other.
func rootTemplate(hosts hostSet) (*x509.Certificate, error) {
	serial, now := newSerial(), time.Now()
	constraints, err := hosts.constraints()
	return &x509.Certificate{
		SerialNumber: serial,
		Subject: pkix.Name{
			Organization: []string{"authsome"},
			CommonName:   "authsome run " + hex.EncodeToString(serial.Bytes()[:8]),
		},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(lifetime),
		KeyUsage:              x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
		ExtraExtensions:       []pkix.Extension{constraints},
	}, err
}

// leafTemplate describes a leaf for host with that host as its only name. The
// subject has no common name: OpenSSL takes one that looks like a host for a
// second name, and checks it against the constraints.
func (a *Authority) leafTemplate(host string) *x509.Certificate {
	leaf := &x509.Certificate{
		SerialNumber:          newSerial(),
		Subject:               pkix.Name{Organization: []string{"authsome"}},
		NotBefore:             a.root.NotBefore,
		NotAfter:              a.root.NotAfter,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		leaf.IPAddresses = []net.IP{ip.AsSlice()}
	} else {
		leaf.DNSNames = []string{host}
	}
	return leaf
}

// newSerial returns 128 random bits with the first one set, so that serials
// are positive and all of one length (RFC 5280, section 4.1.2.2).
func newSerial() *big.Int {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[0] |= 0x80
	return new(big.Int).SetBytes(b[:])
}

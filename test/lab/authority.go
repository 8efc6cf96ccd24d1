package lab

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// A Certificate is what the upstream presents for a host.
type Certificate int

// Certificates. All but Valid are to be refused by a client that trusts the
// lab's authority.
const (
	Valid          Certificate = iota
	SelfSigned                 // for the host, by itself
	UnknownCA                  // by an authority nobody trusts
	Expired                    // since an hour
	NotYetValid                // for an hour
	WrongHost                  // for wrong.invalid
	CNOnly                     // the host as common name, no subject alternative name
	SHA1                       // RSA signature with SHA-1
	RSA1024                    // key of 1024 bits
	NameConstraint             // below an intermediate that is constrained to another domain
)

// An authority issues the upstream's certificates.
type authority struct {
	root, unknown, constrained *signer
	weak                       func() (*signer, error) // takes its time

	mu     sync.Mutex // guards issued
	issued map[issue]*tls.Certificate
}

type issue struct {
	host string
	kind Certificate
}

type signer struct {
	cert  *x509.Certificate
	key   crypto.Signer
	chain [][]byte // DER, what a server sends after the leaf
}

func newAuthority() (*authority, error) {
	a := &authority{issued: map[issue]*tls.Certificate{}}
	var err error
	if a.root, err = newSigner(template("authsome lab root"), newKey(), nil); err != nil {
		return nil, err
	}
	if a.unknown, err = newSigner(template("authsome lab unknown root"), newKey(), nil); err != nil {
		return nil, err
	}
	constrained := template("authsome lab constrained")
	constrained.PermittedDNSDomainsCritical, constrained.PermittedDNSDomains = true, []string{"constrained.invalid"}
	if a.constrained, err = newSigner(constrained, newKey(), a.root); err != nil {
		return nil, err
	}
	a.constrained.chain = [][]byte{a.constrained.cert.Raw}
	a.weak = sync.OnceValues(a.newWeak)
	return a, nil
}

// newWeak returns an intermediate authority with an RSA key.
func (a *authority) newWeak() (*signer, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	weak, err := newSigner(template("authsome lab RSA"), key, a.root)
	if err == nil {
		weak.chain = [][]byte{weak.cert.Raw}
	}
	return weak, err
}

// newKey returns a P-256 key; making one can't go wrong.
func newKey() crypto.Signer {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

func template(name string) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	return &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             time.Now().Add(-24 * time.Hour),
		NotAfter:              time.Now().Add(24 * time.Hour),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
}

// newSigner makes an authority that by signed, or one that signed itself.
func newSigner(t *x509.Certificate, key crypto.Signer, by *signer) (*signer, error) {
	if by == nil {
		by = &signer{cert: t, key: key}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, by.cert, key.Public(), by.key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return &signer{cert: cert, key: key}, err
}

func (a *authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.root.cert.Raw})
}

// Issue returns a valid certificate for the host, for a server that is not the
// lab's: see Lead.
func (l *Lab) Issue(name string) (*tls.Certificate, error) {
	return l.authority.issue(strings.ToLower(name), Valid)
}

// IssueFiles is Issue as the paths of two PEM files, for a server that is a
// program.
func (l *Lab) IssueFiles(name string) (cert, key string, err error) {
	pair, err := l.Issue(name)
	if err != nil {
		return "", "", err
	}
	der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		return "", "", err
	}
	var chain []byte
	for _, c := range pair.Certificate {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c})...)
	}
	cert, key = filepath.Join(l.dir, name+".cert.pem"), filepath.Join(l.dir, name+".key.pem")
	if err := os.WriteFile(cert, chain, 0o600); err != nil {
		return "", "", err
	}
	return cert, key, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
}

// issue returns a certificate of that kind for the host.
func (a *authority) issue(host string, kind Certificate) (*tls.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	want := issue{host, kind}
	if cert := a.issued[want]; cert != nil {
		return cert, nil
	}
	cert, err := a.make(host, kind)
	if err == nil {
		a.issued[want] = cert
	}
	return cert, err
}

func (a *authority) make(host string, kind Certificate) (*tls.Certificate, error) {
	t, by, key := leaf(host), a.root, newKey()
	switch kind {
	case SelfSigned:
		by = &signer{cert: t, key: key}
	case UnknownCA:
		by = a.unknown
	case Expired:
		t.NotAfter = time.Now().Add(-time.Hour)
	case NotYetValid:
		t.NotBefore = time.Now().Add(time.Hour)
	case WrongHost:
		t.Subject.CommonName, t.DNSNames, t.IPAddresses = "wrong.invalid", []string{"wrong.invalid"}, nil
	case CNOnly:
		t.DNSNames, t.IPAddresses = nil, nil
	case SHA1:
		weak, err := a.weak()
		if err != nil {
			return nil, err
		}
		by, t.SignatureAlgorithm = weak, x509.SHA1WithRSA
	case RSA1024:
		weak, err := rsa.GenerateKey(rand.Reader, 1024)
		if err != nil {
			return nil, err
		}
		key = weak
	case NameConstraint:
		by = a.constrained
	}
	der, err := x509.CreateCertificate(rand.Reader, t, by.cert, key.Public(), by.key)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: append([][]byte{der}, by.chain...), PrivateKey: key}, nil
}

func leaf(host string) *x509.Certificate {
	t := template(host)
	t.KeyUsage, t.IsCA = x509.KeyUsageDigitalSignature, false
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	if len(host) > 64 {
		t.Subject.CommonName = "" // RFC 5280 bounds it
	}
	if ip := net.ParseIP(host); ip != nil {
		t.IPAddresses = []net.IP{ip}
	} else {
		t.DNSNames = []string{host}
	}
	return t
}

// Pair is PEM of a valid certificate for a host and of its key, for a server
// that is none of the lab's.
func (l *Lab) Pair(name string) (certificate, key []byte, err error) {
	cert, err := l.authority.issue(name, Valid)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		return nil, nil, err
	}
	certificate = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})
	return certificate, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// UnknownAuthority is PEM of the authority behind UnknownCA.
func (l *Lab) UnknownAuthority() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: l.authority.unknown.cert.Raw})
}

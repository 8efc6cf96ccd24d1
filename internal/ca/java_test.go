package ca

import (
	"crypto/x509"
	"encoding/pem"
	"testing"

	"software.sslmate.com/src/go-pkcs12"
)

// TestJavaStore: each certificate of a bundle is in the store, which needs no
// password, and nothing else is.
func TestJavaStore(t *testing.T) {
	authority, err := New([]string{"api.alpha.test"})
	if err != nil {
		t.Fatal(err)
	}
	other, err := New([]string{"api.beta.test"})
	if err != nil {
		t.Fatal(err)
	}
	bundle := append(append([]byte("# words\n-----BEGIN X-----\nAA==\n-----END X-----\n"), authority.PEM()...), other.PEM()...)
	store, err := JavaStore(bundle)
	if err != nil {
		t.Fatal(err)
	}
	certs, err := pkcs12.DecodeTrustStore(store, "")
	if err != nil || len(certs) != 2 {
		t.Fatalf("%d certificates, %v", len(certs), err)
	}
	for i, want := range [][]byte{authority.PEM(), other.PEM()} {
		block, _ := pem.Decode(want)
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil || !cert.Equal(certs[i]) {
			t.Errorf("certificate %d is another, %v", i, err)
		}
	}
}

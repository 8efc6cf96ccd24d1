package ca

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"testing"

	"software.sslmate.com/src/go-pkcs12"
)

// TestJavaStore: each certificate of the bundles is in the store, which needs
// no password, and nothing else is; and it is what another encoder writes.
func TestJavaStore(t *testing.T) {
	bundle := []byte("# words\n-----BEGIN X-----\nAA==\n-----END X-----\n" + pemBegin + "\n!!\n" + pemEnd + "\n")
	var want []pkcs12.TrustStoreEntry
	var last []byte
	for i := range 120 { // names of one digit to three
		authority, err := New([]string{fmt.Sprintf("api%d.test", i)})
		if err != nil {
			t.Fatal(err)
		}
		if last = authority.PEM(); i < 119 {
			bundle = append(append(bundle, last...), "\n \r\n"...)
		}
		block, _ := pem.Decode(last)
		want = append(want, pkcs12.TrustStoreEntry{Cert: &x509.Certificate{Raw: block.Bytes}, FriendlyName: fmt.Sprint(i)})
	}
	store, err := javaStore(bundle, bytes.ReplaceAll(last, []byte("\n"), []byte("\r\n")))
	if err != nil {
		t.Fatal(err)
	}
	certs, err := pkcs12.DecodeTrustStore(store, "")
	if err != nil || len(certs) != len(want) {
		t.Fatalf("%d certificates, %v", len(certs), err)
	}
	other, err := pkcs12.Passwordless.EncodeTrustStoreEntries(want, "")
	if err != nil || !bytes.Equal(store, other) {
		t.Errorf("%d bytes, go-pkcs12 writes %d others, %v", len(store), len(other), err)
	}
}

// TestJavaStoreOfSystem: the store has what the system trusts, and ours.
func TestJavaStoreOfSystem(t *testing.T) {
	system, err := readSystemBundle()
	if err != nil {
		t.Fatal(err)
	}
	authority, err := New([]string{"api.alpha.test"})
	if err != nil {
		t.Fatal(err)
	}
	store, err := JavaStore(authority.PEM())
	if err != nil {
		t.Fatal(err)
	}
	certs, err := pkcs12.DecodeTrustStore(store, "")
	if want := bytes.Count(system, []byte(pemBegin)) + 1; err != nil || len(certs) != want {
		t.Errorf("%d certificates instead of %d, %v", len(certs), want, err)
	}
}

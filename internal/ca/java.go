package ca

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strconv"

	"software.sslmate.com/src/go-pkcs12"
)

// JavaStore returns the certificates of bundle, PEM, as a PKCS #12 file that
// Java takes for a trust store, without a password: nothing in it is secret.
// Blocks that are no certificates are Java's to complain about.
func JavaStore(bundle []byte) ([]byte, error) {
	var entries []pkcs12.TrustStoreEntry
	for rest := bundle; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type == "CERTIFICATE" {
			entries = append(entries, pkcs12.TrustStoreEntry{Cert: &x509.Certificate{Raw: block.Bytes}, FriendlyName: strconv.Itoa(len(entries))})
		}
	}
	store, err := pkcs12.Passwordless.EncodeTrustStoreEntries(entries, "")
	if err != nil {
		return nil, fmt.Errorf("trust store for Java: %w", err)
	}
	return store, nil
}

package ca

import (
	"crypto/x509"
	"fmt"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// PublicRoots returns the authorities of Mozilla's root programme, built into
// the program, with the limits that Mozilla sets them. What the system or the
// user trusts beside them is not among them: no company's own, no test's.
func PublicRoots() (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	for root := range bundle.Roots() {
		certificate, err := x509.ParseCertificate(root.Certificate)
		if err != nil {
			return nil, fmt.Errorf("built-in root: %w", err)
		}
		if root.Constraint == nil {
			pool.AddCert(certificate)
			continue
		}
		pool.AddCertWithConstraint(certificate, root.Constraint)
	}
	return pool, nil
}

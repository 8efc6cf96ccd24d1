package ca

import (
	"bytes"
	"crypto/x509"
	"slices"
	"testing"
)

// TestPublicRoots_T028: the list is there, and has nobody's own authority.
func TestPublicRoots_T028(t *testing.T) {
	pool, err := PublicRoots()
	if err != nil {
		t.Fatal(err)
	}
	known := func(subject []byte) bool { return bytes.Contains(subject, []byte("ISRG Root X1")) }
	if !slices.ContainsFunc(pool.Subjects(), known) { //nolint:staticcheck // no system roots are in it
		t.Error("ISRG Root X1 is not a public authority")
	}
	leaf := mustLeaf(t, mustNew(t, "alpha.test"), "alpha.test").Leaf
	if _, err := leaf.Verify(x509.VerifyOptions{DNSName: "alpha.test", Roots: pool}); err == nil {
		t.Error("an authority of our own is a public one")
	}
}

package ca

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"io"
	"os/exec"
)

// SystemRoots returns Apple's roots as PEM, printed by the system's own tool.
// Roots an administrator trusted in a keychain are not among them: whether a
// keychain's certificate is trusted can't be told from its PEM. Upstream
// verification knows them all the same (Pool).
func SystemRoots() ([]byte, error) {
	const keychain = "/System/Library/Keychains/SystemRootCertificates.keychain"
	out, err := exec.Command("/usr/bin/security", "find-certificate", "-a", "-p", keychain).Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", keychain, err)
	}
	if !bytes.Contains(out, []byte(pemBegin)) {
		return nil, fmt.Errorf("%s: %w", keychain, ErrNoCertificates)
	}
	return Bundle(out), nil
}

// SystemBundle is SystemRoots: there is no file to hand on as it is.
func SystemBundle() (io.ReadCloser, error) { return bundleOf(SystemRoots()) }

// IsSystem is always false: no path stands for the system's roots here.
func IsSystem(string) bool { return false }

// basePool stands for the platform verifier, which reads the keychains.
func basePool() (pool *x509.CertPool, complete bool, err error) {
	pool, err = x509.SystemCertPool()
	return pool, true, err
}

package ca

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"unsafe"

	"golang.org/x/sys/windows"
)

// SystemRoots returns the certificates of the ROOT store as PEM: the current
// user's and the machine's. Windows fetches roots it has not needed yet on
// demand; those are not among them.
func SystemRoots() ([]byte, error) {
	name, err := windows.UTF16PtrFromString("ROOT")
	if err != nil {
		return nil, err
	}
	store, err := windows.CertOpenSystemStore(0, name)
	if err != nil {
		return nil, fmt.Errorf("ROOT store: %w", err)
	}
	defer windows.CertCloseStore(store, 0)
	var out []byte
	var cert *windows.CertContext
	for {
		cert, err = windows.CertEnumCertificatesInStore(store, cert)
		if err != nil || cert == nil {
			break // the enumeration's end is an error too
		}
		der := unsafe.Slice(cert.EncodedCert, cert.Length)
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("ROOT store: %w", ErrNoCertificates)
	}
	return Bundle(out), nil
}

// SystemBundle is SystemRoots: there is no file to hand on as it is.
func SystemBundle() (io.ReadCloser, error) { return bundleOf(SystemRoots()) }

// IsSystem is always false: no path stands for the system's roots here.
func IsSystem(string) bool { return false }

// basePool stands for the platform verifier, which reads the stores.
func basePool() (pool *x509.CertPool, complete bool, err error) {
	pool, err = x509.SystemCertPool()
	return pool, true, err
}

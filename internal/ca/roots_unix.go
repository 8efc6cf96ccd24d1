//go:build unix && !darwin

package ca

import (
	"crypto/x509"
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

// SystemRoots returns the operating system's trusted roots as PEM, from the
// places crypto/x509 looks in: the first of the usual files that exists, and
// all of the usual directories. The error wraps ErrNoCertificates when there
// are none.
func SystemRoots() ([]byte, error) {
	return findRoots(certFiles(), certDirs())
}

func findRoots(files, dirs []string) ([]byte, error) {
	var parts [][]byte
	var firstErr error = ErrNoCertificates
	skip := func(string) bool { return false }
	for _, file := range files {
		data, err := readFile(file)
		if err == nil {
			parts = append(parts, data)
			skip = func(path string) bool { return path == file || inBundle(path) }
			break
		}
		if !errors.Is(err, fs.ErrNotExist) {
			firstErr = err
		}
	}
	for _, dir := range dirs {
		if data, err := readDir(dir, skip); err == nil {
			parts = append(parts, data)
		}
	}
	bundle := Bundle(nil, parts...)
	if len(bundle) == 0 {
		return nil, firstErr
	}
	return bundle, nil
}

// SystemBundle opens the system's bundle as it is, PEM and unchecked: the
// first of the usual files that exists, and SystemRoots where there is none.
// It is for a child, whose TLS libraries look into the directories themselves;
// at every start of a run the scan would take longer than all the rest.
func SystemBundle() (io.ReadCloser, error) {
	for _, file := range certFiles() {
		if f, err := openFile(file); err == nil {
			return f, nil
		}
	}
	return bundleOf(SystemRoots())
}

// IsSystem reports whether a path is one of the places that SystemRoots looks
// in, so that a variable which names it adds nothing.
func IsSystem(path string) bool {
	path = filepath.Clean(path)
	return slices.Contains(certFiles(), path) || slices.Contains(certDirs(), path)
}

// inBundle reports whether path, which a link in a directory of certificates
// points to, is in the system's bundle already: the tools that link into these
// folders write the bundle from the same files. To read each again takes
// longer than all the rest of a run's start.
func inBundle(path string) bool {
	for _, managed := range []string{
		"/usr/share/ca-certificates/",       // update-ca-certificates: Debian, Alpine, Gentoo
		"/usr/local/share/ca-certificates/", // the same, an administrator's own
		"/etc/ca-certificates/extracted/",   // update-ca-trust: Arch
		"/etc/pki/ca-trust/extracted/",      // update-ca-trust: Fedora, RHEL
	} {
		if strings.HasPrefix(path, managed) {
			return true
		}
	}
	return false
}

// basePool is empty: the system's roots are files, and Pool is handed them.
func basePool() (pool *x509.CertPool, complete bool, err error) {
	return x509.NewCertPool(), false, nil
}

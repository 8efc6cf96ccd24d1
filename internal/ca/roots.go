package ca

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// ErrNoCertificates is wrapped when PEM that must hold certificates has none.
var ErrNoCertificates = errors.New("no certificates")

// maxRootsFile is far above any real bundle (the common ones are 0.2 MiB).
const maxRootsFile = 16 << 20

const (
	pemBegin = "-----BEGIN CERTIFICATE-----"
	pemEnd   = "-----END CERTIFICATE-----"
)

// Bundle returns the certificates of system and extra, PEM, in their order and
// each once. Nothing is parsed: text is compared, and whatever stands outside
// CERTIFICATE blocks is left out, so a private key that shares a file with a
// certificate stays where it is.
func Bundle(system []byte, extra ...[]byte) []byte {
	size := len(system)
	for _, p := range extra {
		size += len(p)
	}
	out, seen := make([]byte, 0, size+1), make(map[string]bool, size/1500)
	for _, p := range append([][]byte{system}, extra...) {
		for block := nextBlock(&p); block != nil; block = nextBlock(&p) {
			if seen[string(block)] {
				continue
			}
			seen[string(block)] = true
			out = append(append(out, block...), '\n')
		}
	}
	return out
}

// nextBlock cuts the first CERTIFICATE block, without a line end, from p.
func nextBlock(p *[]byte) []byte {
	start := bytes.Index(*p, []byte(pemBegin))
	if start < 0 {
		return nil
	}
	text := (*p)[start:]
	n := bytes.Index(text, []byte(pemEnd))
	if n < 0 {
		return nil
	}
	n += len(pemEnd)
	*p = text[n:]
	return text[:n]
}

// Pool returns the roots to verify upstream servers with: the certificates of
// pems, and on systems whose roots are not files (macOS, Windows) the system's
// own verifier. The error wraps ErrNoCertificates when there are none at all.
func Pool(pems ...[]byte) (*x509.CertPool, error) {
	pool, complete, err := basePool()
	if err != nil {
		return nil, fmt.Errorf("system roots: %w", err)
	}
	for _, p := range pems {
		complete = pool.AppendCertsFromPEM(p) || complete
	}
	if !complete {
		return nil, fmt.Errorf("trusted roots: %w", ErrNoCertificates)
	}
	return pool, nil
}

// ReadRoots returns the certificates, PEM, of every path: a file, or each file
// of a directory (what the user's SSL_CERT_FILE, SSL_CERT_DIR and the like
// name). What could be read is returned along with the errors of the rest.
func ReadRoots(paths ...string) ([]byte, error) {
	var parts [][]byte
	var errs []error
	for _, path := range paths {
		data, err := readPath(path)
		if err == nil && !bytes.Contains(data, []byte(pemBegin)) {
			err = fmt.Errorf("%s: %w", path, ErrNoCertificates)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		parts = append(parts, data)
	}
	return Bundle(nil, parts...), errors.Join(errs...)
}

func readPath(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return readDir(filepath.Clean(path), func(string) bool { return false })
	}
	return readFile(path)
}

// readDir returns the contents of dir's files, less those that are, or link
// to, a path that is skipped. Those that can't be read are passed over, as
// every TLS library does.
func readDir(dir string, skip func(path string) bool) ([]byte, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var all []byte
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		target, isLink := linkTarget(entry, path)
		if isLink && filepath.Dir(target) == dir {
			continue // a hashed name of OpenSSL's for a file that is read anyway
		}
		if skip(target) {
			continue
		}
		data, err := readFile(path)
		if err == nil {
			all = append(append(all, data...), '\n')
		}
	}
	return all, nil
}

// linkTarget returns where entry, which is at path, points to if it is a link,
// and path itself if it is none.
func linkTarget(entry os.DirEntry, path string) (target string, isLink bool) {
	if entry.Type()&os.ModeSymlink == 0 {
		return path, false
	}
	target, err := os.Readlink(path)
	if err != nil {
		return path, false
	}
	if !filepath.IsAbs(target) {
		target = filepath.Join(filepath.Dir(path), target)
	}
	return filepath.Clean(target), true
}

// readFile reads a regular file of bounded size.
func readFile(path string) ([]byte, error) {
	f, err := openFile(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	data := make([]byte, min(info.Size(), maxRootsFile))
	n, err := io.ReadFull(f, data)
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		err = nil // it shrank: what is there is read
	}
	return data[:n], err
}

// openFile opens a regular file of bounded size: a pipe would block, a device
// never end.
func openFile(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	if info.Size() > maxRootsFile {
		return nil, fmt.Errorf("%s: larger than %d MiB", path, maxRootsFile>>20)
	}
	return os.Open(path)
}

// bundleOf is PEM in memory, in the shape of a file.
func bundleOf(pem []byte, err error) (io.ReadCloser, error) {
	if err != nil {
		return nil, err
	}
	return io.NopCloser(bytes.NewReader(pem)), nil
}

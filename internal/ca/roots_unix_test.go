//go:build unix && !darwin

package ca

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFindRoots(t *testing.T) {
	a, b, c := mustNew(t, "a.test").PEM(), mustNew(t, "b.test").PEM(), mustNew(t, "c.test").PEM()
	dir := t.TempDir()
	certs := filepath.Join(dir, "certs")
	bundle := filepath.Join(certs, "bundle.pem")
	write(t, bundle, a)
	write(t, filepath.Join(certs, "corporate.crt"), b)
	write(t, filepath.Join(dir, "shared", "c.crt"), c)
	for link, target := range map[string]string{"c.pem": "../shared/c.crt", "1234.0": "corporate.crt", "dead": "../gone",
		"managed.pem": "/usr/share/ca-certificates/any.crt"} {
		if err := os.Symlink(target, filepath.Join(certs, link)); err != nil {
			t.Fatal(err)
		}
	}
	got, err := findRoots([]string{filepath.Join(dir, "missing"), bundle}, []string{filepath.Join(dir, "none"), certs})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(a)+string(c)+string(b), string(got)); diff != "" {
		t.Error(diff)
	}
	if _, err := findRoots([]string{filepath.Join(dir, "missing")}, nil); !errors.Is(err, ErrNoCertificates) {
		t.Errorf("%v, want ErrNoCertificates", err)
	}
}

func TestReadRoots(t *testing.T) {
	a := mustNew(t, "a.test").PEM()
	dir := t.TempDir()
	file, empty, pipe := filepath.Join(dir, "d", "a.pem"), filepath.Join(dir, "empty"), filepath.Join(dir, "pipe")
	write(t, file, a)
	write(t, empty, nil)
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, path string
		want       []byte
		err        error
	}{
		{"file", file, a, nil},
		{"directory", filepath.Dir(file), a, nil},
		{"missing", filepath.Join(dir, "missing"), nil, fs.ErrNotExist},
		{"empty", empty, nil, ErrNoCertificates},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ReadRoots(tt.path)
			if !errors.Is(err, tt.err) || string(got) != string(tt.want) {
				t.Errorf("got %d bytes, %v", len(got), err)
			}
		})
	}
	for _, path := range []string{pipe, "/dev/zero"} {
		if _, err := ReadRoots(path); err == nil {
			t.Errorf("%s was read", path)
		}
	}
	if got, err := ReadRoots(empty, file); err == nil || string(got) != string(a) {
		t.Errorf("the readable one must come along with the other's error: %d bytes, %v", len(got), err)
	}
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestSystemBundle: what a child gets holds what authsome itself trusts.
func TestSystemBundle(t *testing.T) {
	file, err := SystemBundle()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	bundle, err := io.ReadAll(file)
	if err != nil {
		t.Fatal(err)
	}
	roots, err := SystemRoots()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(Bundle(nil, bundle)), len(roots); got == 0 || got > want {
		t.Fatalf("bundle of %d bytes, roots of %d", got, want)
	}
	for path, want := range map[string]bool{certFiles()[0]: true, certDirs()[0] + "/": true, "/home/u/corporate.pem": false, "": false} {
		if got := IsSystem(path); got != want {
			t.Errorf("IsSystem(%q) = %v", path, got)
		}
	}
}

func BenchmarkSystemRoots(b *testing.B) {
	for b.Loop() {
		if _, err := SystemRoots(); err != nil {
			b.Fatal(err)
		}
	}
}

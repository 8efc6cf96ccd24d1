//go:build unix

package provider_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// plantBadFiles puts everything into dir that is called like a definition and
// is none, and returns the names.
func plantBadFiles(t *testing.T, dir string) []string {
	t.Helper()
	at := func(name string) string { return filepath.Join(dir, name) }
	steps := []error{
		os.Mkdir(at("directory.json"), 0o700),
		syscall.Mkfifo(at("pipe.json"), 0o600),
		os.Symlink("loop.json", at("loop.json")),
		os.Symlink("/etc/passwd", at("passwd.json")),
		os.Symlink("p1.json", at("link.json")),
		os.WriteFile(at("shared.json"), []byte(acme), 0o600),
		os.Chmod(at("shared.json"), 0o622),
	}
	for _, err := range steps {
		if err != nil {
			t.Fatal(err)
		}
	}
	bad := []string{"directory.json", "pipe.json", "loop.json", "passwd.json", "link.json", "shared.json"}
	if os.Getuid() != 0 { // root can read everything
		if err := os.WriteFile(at("unreadable.json"), []byte(acme), 0); err != nil {
			t.Fatal(err)
		}
		bad = append(bad, "unreadable.json")
	}
	return bad
}

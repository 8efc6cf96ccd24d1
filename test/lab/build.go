package lab

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"
)

const command = "authsome/cmd/authsome"

// Build returns the path of the authsome binary of this source, without cgo.
// It is built once: test processes find each other's under the user's cache
// folder, by the build's identity.
func Build(t testing.TB) string {
	t.Helper()
	path, err := Binary()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Binary is Build outside of a test.
func Binary() (string, error) { return build() }

var build = sync.OnceValues(func() (string, error) {
	id, err := run("list", "-export", "-deps", "-f", "{{.BuildID}}", command)
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	sum := sha256.Sum256(id)
	root := filepath.Join(cache, fmt.Sprintf("authsome-lab-%d", os.Getuid()))
	path := filepath.Join(root, hex.EncodeToString(sum[:12]), "authsome"+suffix())
	if _, err := os.Stat(path); err == nil {
		return path, touch(filepath.Dir(path))
	}
	return path, buildAt(root, path)
})

func suffix() string {
	if runtime.GOOS == "windows" {
		return ".exe"
	}
	return ""
}

// buildAt builds beside path and renames: another process may do the same.
func buildAt(root, path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	prune(root)
	dir, err := os.MkdirTemp(filepath.Dir(path), "build")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	fresh := filepath.Join(dir, "authsome")
	if _, err := run("build", "-o", fresh, command); err != nil {
		return err
	}
	return os.Rename(fresh, path)
}

func run(verb string, args ...string) ([]byte, error) {
	cmd := exec.Command("go", append([]string{verb, "-buildvcs=false", "-trimpath"}, args...)...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return nil, fmt.Errorf("go %s %s: %w\n%s", verb, command, err, exit.Stderr)
	}
	return out, err
}

// touch keeps a build from being pruned.
func touch(dir string) error { return os.Chtimes(dir, time.Now(), time.Now()) }

// prune removes builds nobody asked for since a day.
func prune(root string) {
	old := time.Now().Add(-24 * time.Hour)
	entries, _ := os.ReadDir(root)
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil && info.Mode().Type() == fs.ModeDir && info.ModTime().Before(old) {
			_ = os.RemoveAll(filepath.Join(root, entry.Name()))
		}
	}
}

package vault_test

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"authsome/internal/vault"
)

const childVariable = "VAULT_TEST_CHILD"

// childOf returns what the parent passed when this test runs in a child.
func childOf(*testing.T) (home string, ok bool) { return os.LookupEnv(childVariable) }

// child is this test, alone, in another process.
type child struct {
	Home string // what childOf returns there
	Env  []string
	Prep func(*exec.Cmd) // may change anything before the start
}

func (c child) command(t *testing.T) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.v", "-test.run=^"+regexp.QuoteMeta(t.Name())+"$")
	cmd.Env = append(append(os.Environ(), childVariable+"="+c.Home), c.Env...)
	if c.Prep != nil {
		c.Prep(cmd)
	}
	return cmd
}

func runChild(t *testing.T, c child) {
	t.Helper()
	out, err := c.command(t).CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS")) {
		t.Errorf("child: %v\n%s", err, out)
	}
}

// ourselves copies the test binary to where any user may run it.
func ourselves(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "vault-test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "vault.test")
	if err := copyProgram(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func copyProgram(path string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	from, err := os.Open(self)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	if _, err = io.Copy(to, from); err != nil {
		return err
	}
	if err := to.Chmod(0o755); err != nil {
		return err
	}
	return to.Close()
}

// copyTree copies as cp -r does: file after file, while they change. A file
// that is gone by the time it is read, which cp complains about, is a temporary.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, d os.DirEntry, err error) error {
		rel, _ := filepath.Rel(from, path)
		if os.IsNotExist(err) {
			return nil
		} else if err != nil {
			return err
		}
		if d.IsDir() {
			return os.Mkdir(filepath.Join(to, rel), 0o700)
		}
		data, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			return nil
		} else if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), data, 0o600)
	})
}

func home(o vault.Options) string { return filepath.Dir(o.Dir) }

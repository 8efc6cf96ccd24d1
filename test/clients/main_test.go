//go:build linux

// Package clients drives the real authsome binary from end to end: with the
// programs people use, with processes that attack it, that die, that come in
// crowds, and with a real OS keyring. The world around it is test/lab: real
// host names, no internet, no hooks in the product.
//
// A test runs the binary and looks at what the upstream received, what the
// programs could see and what was left on disk. Where a program is needed that
// does not exist, the test binary itself is started in its place, see children.
package clients_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"authsome/test/lab"
)

// childVariable makes the test binary one of the children.
const childVariable = "CLIENTS_CHILD"

// binaryVariable is the authsome to test, for a process that can't build it.
const binaryVariable = "CLIENTS_AUTHSOME"

// ordinaryUser is the uid that tests run as which root would spoil: root may
// read everything.
const ordinaryUser = 4321

// children are the programs the test binary can be.
func children() map[string]func() error {
	return map[string]func() error{
		"caller": callUntilEOF,
		"hold":   holdUntilEOF,
		"probe":  probeAll,
		"knock":  knock,
		"spy":    spyOnParent,
	}
}

func TestMain(m *testing.M) {
	name := os.Getenv(childVariable)
	if name == "" {
		os.Exit(m.Run())
	}
	child, ok := children()[name]
	if !ok {
		fmt.Fprintf(os.Stderr, "no child %q\n", name)
		os.Exit(2)
	}
	if err := child(); err != nil {
		fmt.Fprintln(os.Stderr, name+":", err)
		os.Exit(1)
	}
}

// authsome is the path of the binary.
func authsome(t *testing.T) string {
	t.Helper()
	if path := os.Getenv(binaryVariable); path != "" {
		return path
	}
	return lab.Build(t)
}

// self is the path of the test binary.
func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// asUser reports whether the test is to go on in this process. Root runs the
// whole test once more as an ordinary user and takes over the outcome.
func asUser(t *testing.T) bool {
	t.Helper()
	if os.Getuid() != 0 {
		return true
	}
	dir := userFolder(t)
	cmd := exec.CommandContext(t.Context(), copyTo(t, self(t), dir), "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=5m")
	cmd.Dir = dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir, binaryVariable + "=" + copyTo(t, authsome(t), dir),
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: ordinaryUser, Gid: ordinaryUser}}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()+" ") {
		t.Errorf("as uid %d: %v\n%s", ordinaryUser, err, out)
	}
	return false
}

// userFolder is a folder of the ordinary user, reachable by it.
func userFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "authsome-clients-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chown(dir, ordinaryUser, ordinaryUser); err != nil {
		t.Fatal(err)
	}
	return dir
}

// copyTo copies a program into dir, where any user may run it.
func copyTo(t *testing.T, program, dir string) string {
	t.Helper()
	from, err := os.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	path := filepath.Join(dir, filepath.Base(program))
	to, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(to, from); err != nil {
		t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

//go:build unix

package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const roleVar = "AUDIT_TEST_ROLE"

// TestMain lets the test binary be the other process.
func TestMain(m *testing.M) {
	if role := os.Getenv(roleVar); role != "" {
		if err := play(role, os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(3)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func play(role string, args []string) error {
	switch role {
	case "writer": // PATH LIMIT LINES
		limit, _ := strconv.ParseInt(args[1], 10, 64)
		lines, _ := strconv.Atoi(args[2])
		return appendLines(args[0], limit, lines)
	case "limited": // PATH BYTES: append until the file size limit says no
		size, _ := strconv.ParseUint(args[1], 10, 64)
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: size, Max: size}); err != nil {
			return err
		}
		return appendUntilFull(args[0])
	case "umask": // PATH UMASK
		mask, _ := strconv.ParseInt(args[1], 8, 32)
		unix.Umask(int(mask))
		return appendLines(args[0], maxSize, 1)
	case "open": // PATH
		_, err := Open(args[0])
		return err
	}
	return fmt.Errorf("no role %q", role)
}

func appendLines(path string, limit int64, lines int) error {
	l, err := open(path, limit)
	if err != nil {
		return err
	}
	for i := range lines {
		e := Entry{Event: Use, Host: "api.test", Path: "/a/path/of/some/length/" + strconv.Itoa(i)}
		if _, err := l.Append(e); err != nil {
			return err
		}
	}
	return l.Close()
}

// appendUntilFull prints how many lines were acknowledged, and checks that the
// refusals keep coming.
func appendUntilFull(path string) error {
	l, err := Open(path)
	if err != nil {
		return err
	}
	n, refused := 0, 0
	for refused < 5 {
		_, err := l.Append(Entry{Event: Use, Path: "/x"})
		switch {
		case err == nil && refused > 0:
			return errors.New("a line was taken after one was refused")
		case err == nil:
			n++
		case errors.Is(err, errShort) || errors.Is(err, unix.EFBIG) || errors.Is(err, unix.ENOSPC):
			refused++
		default:
			return err
		}
	}
	fmt.Println(n)
	return l.Close()
}

func process(role string, args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), roleVar+"="+role)
	cmd.Stderr = os.Stderr
	return cmd
}

func TestAuditProcesses(t *testing.T) {
	t.Run("L005_rotation_by_many_processes", testProcesses)
	t.Run("L005_file_size_limit", testFileSizeLimit)
	t.Run("L005_read_only_file", testReadOnly)
	t.Run("V001_mode_under_umask", testUmask)
	t.Run("V002_refused_files", testRefused)
}

func testProcesses(t *testing.T) {
	const writers, lines, limit = 4, 500, 100_000
	path := filepath.Join(t.TempDir(), "audit.log")
	var running []*exec.Cmd
	for range writers {
		cmd := process("writer", path, strconv.Itoa(limit), strconv.Itoa(lines))
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		running = append(running, cmd)
	}
	for _, cmd := range running {
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
	checkComplete(t, path, writers, lines)
	for i := range 3 {
		info, err := os.Stat(rotated(path, i))
		if err != nil || info.Mode() != 0o600 {
			t.Errorf("%v, error %v", info, err)
		}
	}
}

func testFileSizeLimit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	out, err := process("limited", path, "1000").Output()
	if err != nil {
		t.Fatal(err)
	}
	var acknowledged int
	if _, err := fmt.Sscan(string(out), &acknowledged); err != nil || acknowledged == 0 {
		t.Fatalf("%q: %v", out, err)
	}
	l := openLimit(t, path, maxSize)
	mustAppend(t, l, Entry{Event: Login})
	entries, skipped, err := Tail(path, -1, Filter{})
	if err != nil || skipped != 1 || len(entries) != acknowledged+1 {
		t.Errorf("%d entries for %d lines and one, %d skipped, error %v", len(entries), acknowledged, skipped, err)
	}
}

func testReadOnly(t *testing.T) {
	dir := ordinaryDir(t)
	path := filepath.Join(dir, "audit.log")
	writeFile(t, path, 0o400)
	cmd := asOrdinaryUser(t, process("open", path), path)
	cmd.Stderr = nil
	if out, err := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() != 3 {
		t.Errorf("opened for appending: %v %s", err, out)
	}
}

func testUmask(t *testing.T) {
	for _, mask := range []string{"000", "022", "077", "777"} {
		path := filepath.Join(t.TempDir(), "audit.log")
		if err := process("umask", path, mask).Run(); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
			t.Errorf("umask %s: %v, error %v", mask, info.Mode(), err)
		}
	}
}

func testRefused(t *testing.T) {
	tests := map[string]func(t *testing.T, path string) error{
		"readable by group": func(t *testing.T, path string) error { writeFile(t, path, 0o640); return nil },
		"writable by all":   func(t *testing.T, path string) error { writeFile(t, path, 0o602); return nil },
		"symlink": func(t *testing.T, path string) error {
			writeFile(t, path+".real", 0o600)
			return os.Symlink(path+".real", path)
		},
		"dangling symlink": func(_ *testing.T, path string) error { return os.Symlink(path+".real", path) },
		"hard link": func(t *testing.T, path string) error {
			writeFile(t, path+".real", 0o600)
			return os.Link(path+".real", path)
		},
		"directory": func(_ *testing.T, path string) error { return os.Mkdir(path, 0o700) },
		"fifo":      func(_ *testing.T, path string) error { return unix.Mkfifo(path, 0o600) },
		"socket":    func(_ *testing.T, path string) error { return listenUnix(path) },
	}
	for name, make := range tests {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(shortDir(t), "audit.log")
			if err := make(t, path); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(path); !errors.Is(err, ErrUnsafe) {
				t.Errorf("error %v", err)
			}
			if _, err := os.Stat(path + ".real"); name == "dangling symlink" && err == nil {
				t.Error("created what the link points to")
			}
		})
	}
	t.Run("another owner", testOtherOwner)
	t.Run("no directory", func(t *testing.T) {
		if _, err := Open(filepath.Join(t.TempDir(), "none", "audit.log")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("error %v", err)
		}
	})
}

// testOtherOwner uses a file the test's user does not own: as root one that
// was given away, as anyone else the machine's own.
func testOtherOwner(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	writeFile(t, path, 0o600)
	if os.Geteuid() != 0 {
		path = "/etc/passwd"
	} else if err := os.Chown(path, ordinaryUID, ordinaryUID); err != nil {
		t.Fatal(err)
	}
	_, err := Open(path)
	if os.Geteuid() == 0 && !errors.Is(err, ErrUnsafe) || err == nil {
		t.Errorf("error %v", err)
	}
}

const ordinaryUID = 65534

// ordinaryDir returns a directory asOrdinaryUser can work in.
func ordinaryDir(t *testing.T) string {
	t.Helper()
	dir := shortDir(t)
	if os.Geteuid() == 0 {
		if err := os.Chown(dir, ordinaryUID, ordinaryUID); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// asOrdinaryUser gives the files to an ordinary user and makes cmd run as one.
// The test binary is copied, for where it is built others may not look.
func asOrdinaryUser(t *testing.T, cmd *exec.Cmd, files ...string) *exec.Cmd {
	t.Helper()
	if os.Geteuid() != 0 {
		return cmd
	}
	for _, file := range files {
		if err := os.Chown(file, ordinaryUID, ordinaryUID); err != nil {
			t.Fatal(err)
		}
	}
	self := filepath.Join(ordinaryDir(t), "audit.test")
	if err := os.WriteFile(self, read(t, os.Args[0]), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd.Path, cmd.Dir = self, filepath.Dir(self)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: ordinaryUID, Gid: ordinaryUID}}
	return cmd
}

// shortDir is a directory others may pass through, with a name that leaves
// room for a socket's.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "audit")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func writeFile(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func listenUnix(path string) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	return unix.Bind(fd, &unix.SockaddrUnix{Name: path})
}

// A log that was deleted or emptied by hand goes on under its name.
func TestRemovedLog(t *testing.T) {
	l := newLog(t)
	mustAppend(t, l, Entry{Event: Login})
	if err := os.Remove(l.path); err != nil {
		t.Fatal(err)
	}
	l.looked = time.Time{}
	second := mustAppend(t, l, Entry{Event: Logout})
	if got := mustTail(t, l.path, -1, Filter{}); len(got) != 1 || got[0] != second {
		t.Errorf("%+v", got)
	}
	if err := os.Truncate(l.path, 0); err != nil {
		t.Fatal(err)
	}
	l.looked = time.Time{}
	third := mustAppend(t, l, Entry{Event: Login})
	if got := mustTail(t, l.path, -1, Filter{}); len(got) != 1 || got[0] != third {
		t.Errorf("%+v", got)
	}
}

// A log replaced by a link is not followed.
func TestReplacedLog(t *testing.T) {
	l := newLog(t)
	mustAppend(t, l, Entry{Event: Login})
	if err := os.Remove(l.path); err != nil {
		t.Fatal(err)
	}
	target := filepath.Join(t.TempDir(), "target")
	if err := os.Symlink(target, l.path); err != nil {
		t.Fatal(err)
	}
	l.looked = time.Time{}
	if _, err := l.Append(Entry{Event: Use}); !errors.Is(err, ErrUnsafe) {
		t.Errorf("error %v", err)
	}
	if _, err := os.Lstat(target); err == nil {
		t.Error("written through the link")
	}
}

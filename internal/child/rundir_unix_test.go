//go:build unix

package child

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func TestRunDir(t *testing.T) {
	base := t.TempDir()
	old := unix.Umask(0)
	d, err := NewRunDir("", base)
	if err != nil {
		t.Fatal(err)
	}
	file, err := d.Write("bundle.pem", strings.NewReader("certificates"))
	unix.Umask(old)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(d.Path(), "bundle.pem")); string(got) != "certificates" || file != filepath.Join(d.Path(), "bundle.pem") {
		t.Errorf("%s: %q, %v", file, got, err)
	}
	for path, want := range map[string]os.FileMode{d.Path(): 0o700 | os.ModeDir, file: 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v, want %v", path, info.Mode(), err, want)
		}
	}
	if err := d.Remove(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(base); len(left) != 0 || err != nil {
		t.Errorf("left: %v, %v", left, err)
	}
}

// TestRunDirWrite: what is there is replaced, a link is not followed, and no
// name leads out of the folder.
func TestRunDirWrite(t *testing.T) {
	d, err := NewRunDir("", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer d.Remove()
	victim := filepath.Join(t.TempDir(), "victim")
	for link, target := range map[string]string{"link": victim, "dangling": filepath.Join(d.Path(), "x")} {
		if err := os.Symlink(target, filepath.Join(d.Path(), link)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.Write("taken", strings.NewReader("old")); err != nil {
		t.Fatal(err)
	}
	folder, err := d.Mkdir("py")
	if info, statErr := os.Lstat(folder); err != nil || statErr != nil || info.Mode() != fs.ModeDir|0o700 {
		t.Errorf("folder is %v: %v, %v", info, err, statErr)
	}
	for _, name := range []string{"link", "dangling", "taken", "py/x"} {
		path, err := d.Write(name, strings.NewReader("x"))
		if err != nil {
			t.Errorf("%q: %v", name, err)
		}
		if info, err := os.Lstat(path); err != nil || info.Mode() != 0o600 || info.Size() != 1 {
			t.Errorf("%q is %v, %v", name, info, err)
		}
	}
	for _, name := range []string{"../out", "/abs", "", ".", "..", "none/x", "py/", "py/..", "py/../../x"} {
		if _, err := d.Write(name, strings.NewReader("x")); err == nil {
			t.Errorf("%q was written", name)
		}
	}
	if _, err := os.Lstat(victim); !errors.Is(err, os.ErrNotExist) {
		t.Error("a link was followed")
	}
}

func TestRunDirBase(t *testing.T) {
	private := func(t *testing.T) string {
		dir := t.TempDir()
		if err := os.Chmod(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	for _, tt := range []struct {
		name      string
		prepare   func(t *testing.T, runtimeDir string)
		inRuntime bool
	}{
		{"private", func(*testing.T, string) {}, true},
		{"open_to_others", func(t *testing.T, dir string) { os.Chmod(dir, 0o755) }, false},
		{"authsome_open_to_others", func(t *testing.T, dir string) {
			os.Mkdir(filepath.Join(dir, "authsome"), 0o755)
			os.Chmod(filepath.Join(dir, "authsome"), 0o755)
		}, false},
		{"authsome_is_a_link", func(t *testing.T, dir string) { os.Symlink(private(t), filepath.Join(dir, "authsome")) }, false},
		{"authsome_is_a_file", func(t *testing.T, dir string) { os.WriteFile(filepath.Join(dir, "authsome"), nil, 0o600) }, false},
		{"missing", func(t *testing.T, dir string) { os.Remove(dir) }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			runtimeDir, tempDir := private(t), t.TempDir()
			tt.prepare(t, runtimeDir)
			d, err := NewRunDir(runtimeDir, tempDir)
			if err != nil {
				t.Fatal(err)
			}
			defer d.Remove()
			want := tempDir
			if tt.inRuntime {
				want = filepath.Join(runtimeDir, "authsome")
			}
			if filepath.Dir(d.Path()) != want {
				t.Errorf("made in %s, want %s", filepath.Dir(d.Path()), want)
			}
		})
	}
	for _, temp := range []string{"", "relative", filepath.Join(t.TempDir(), "missing")} {
		if d, err := NewRunDir("also/relative", temp); err == nil {
			t.Errorf("%q: made %s", temp, d.Path())
		}
	}
}

func TestRunDirStale(t *testing.T) {
	base := t.TempDir()
	cmd := role(t, "rundir", base)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	theirs := strings.TrimSpace(line)
	exists := func() bool { _, err := os.Stat(filepath.Join(theirs, "bundle.pem")); return err == nil }

	t.Run("P022_live_one_stays", func(t *testing.T) {
		d, err := NewRunDir("", base)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Remove()
		if !exists() || d.Path() == theirs {
			t.Error("another run's folder was taken")
		}
	})
	t.Run("P007_killed_ones_go", func(t *testing.T) {
		cmd.Process.Kill()
		cmd.Wait()
		if !exists() {
			t.Fatal("nothing to clean")
		}
		outside := filepath.Join(t.TempDir(), "outside")
		if err := os.WriteFile(outside, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(outside, filepath.Join(theirs, "link")); err != nil {
			t.Fatal(err)
		}
		// Not folders of a run of ours: these must stay.
		link, other := filepath.Join(base, runPrefix+"link"), filepath.Join(base, "other")
		if err := errors.Join(os.Symlink(t.TempDir(), link), os.Mkdir(other, 0o700)); err != nil {
			t.Fatal(err)
		}
		d, err := NewRunDir("", base)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Remove()
		if _, err := os.Lstat(theirs); err == nil {
			t.Error("a dead run's folder is left")
		}
		for _, path := range []string{link, other, outside} {
			if _, err := os.Lstat(path); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestRunDir_S016: what somebody has prepared in a shared folder is neither used
// nor touched, whatever its name.
func TestRunDir_S016(t *testing.T) {
	const stranger = 65534
	base, victim := t.TempDir(), t.TempDir()
	for name, prepare := range map[string]func(path string) error{
		"authsome":                func(path string) error { return os.Symlink(victim, path) },
		runPrefix + "link":        func(path string) error { return os.Symlink(victim, path) },
		runPrefix + "file":        func(path string) error { return os.WriteFile(path, nil, 0o666) },
		runPrefix + "open":        func(path string) error { return errors.Join(os.Mkdir(path, 0o777), os.Chmod(path, 0o777)) },
		runPrefix + "of_a_nobody": func(path string) error { return errors.Join(os.Mkdir(path, 0o700), disown(path, stranger)) },
	} {
		if err := prepare(filepath.Join(base, name)); err != nil {
			t.Fatal(err)
		}
	}
	before, err := os.ReadDir(base)
	if err != nil {
		t.Fatal(err)
	}
	d, err := NewRunDir(base, base) // not ours alone: open to others
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(d.Path()); err != nil || info.Mode() != fs.ModeDir|0o700 || filepath.Dir(d.Path()) != base {
		t.Errorf("%s is %v, %v", d.Path(), info, err)
	}
	for _, entry := range before {
		if entry.Name() == filepath.Base(d.Path()) {
			t.Errorf("%s was there before", d.Path())
		}
	}
	if _, err := d.Write("ca.pem", strings.NewReader("x")); err != nil {
		t.Error(err)
	}
	if err := d.Remove(); err != nil {
		t.Error(err)
	}
	after, err := os.ReadDir(base)
	if err != nil || len(after) != len(before) {
		t.Errorf("%v became %v, %v", before, after, err)
	}
	if left, err := os.ReadDir(victim); err != nil || len(left) != 0 {
		t.Errorf("a link was followed: %v, %v", left, err)
	}
}

// disown gives path to somebody else, which root alone can; for others it is
// opened to all instead.
func disown(path string, uid int) error {
	if os.Geteuid() != 0 {
		return os.Chmod(path, 0o777)
	}
	return os.Chown(path, uid, uid)
}

// Runs that start together never take each other's folder for stale.
func TestRunDirParallel(t *testing.T) {
	base := t.TempDir()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 25 {
				d, err := NewRunDir("", base)
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := d.Write("bundle.pem", strings.NewReader("")); err != nil {
					t.Error(err)
				}
				if _, err := os.Stat(filepath.Join(d.Path(), "bundle.pem")); err != nil {
					t.Error("P022:", err)
				}
				if err := d.Remove(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if left, err := os.ReadDir(base); len(left) != 0 || err != nil {
		t.Errorf("left: %v, %v", left, err)
	}
}

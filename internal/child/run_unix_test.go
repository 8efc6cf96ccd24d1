//go:build unix

package child

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestExitCodes(t *testing.T) {
	for _, want := range []int{0, 1, 2, 126, 127, 128, 255} {
		t.Run(fmt.Sprintf("P001_exit_%d", want), func(t *testing.T) {
			got, err := sh(fmt.Sprintf("exit %d", want)).Run(t.Context())
			if got != want || err != nil {
				t.Errorf("%d, %v", got, err)
			}
		})
	}
	for _, sig := range []unix.Signal{unix.SIGTERM, unix.SIGKILL, unix.SIGINT, unix.SIGSEGV, unix.SIGPIPE, unix.SIGQUIT} {
		t.Run("P002_"+unix.SignalName(sig), func(t *testing.T) {
			got, err := sh(fmt.Sprintf("ulimit -c 0; kill -%d $$", sig)).Run(t.Context())
			if got != 128+int(sig) || err != nil {
				t.Errorf("%d, %v", got, err)
			}
		})
	}
}

func TestNotStarted(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, tt := range []struct {
		name, command string
		want          int
	}{
		{"not_found", "no-such-command-anywhere", 127},
		{"no_such_file", filepath.Join(dir, "missing"), 127},
		{"below_a_file", file("plain", "x", 0o644) + "/x", 127},
		{"empty", "", 127},
		{"not_executable", file("text", "exit 0", 0o644), 126},
		{"directory", dir, 126},
		{"device", "/dev/null", 126},
		{"bad_ELF", file("elf", "\x7fELF\x02 nonsense", 0o755), 126},
		{"binary", file("bin", "\x00\x01\x02", 0o755), 126},
		{"no_interpreter", file("shebang", "#!/no/such/interpreter\n", 0o755), 126},
		{"script_without_shebang", file("script", "exit $(($# + 40))\n", 0o755), 42},
		{"empty_file", file("empty", "", 0o755), 0},
	} {
		t.Run("P003_"+tt.name, func(t *testing.T) {
			path, err := LookPath(tt.command, "/usr/bin:/bin")
			got := 0
			if err == nil {
				c := Cmd{Path: path, Args: []string{tt.command, "a", "b c"}, Env: os.Environ()}
				got, err = c.Run(t.Context())
			} else {
				got = ExitCode(err)
			}
			if got != tt.want {
				t.Errorf("%d (%v), want %d", got, err, tt.want)
			}
			if (err != nil) != (tt.want > 100) {
				t.Errorf("error %v", err)
			}
		})
	}
	t.Run("P003_working_directory", func(t *testing.T) {
		c := sh("true")
		c.Dir = filepath.Join(dir, "missing")
		if got, err := c.Run(t.Context()); got != 125 || !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%d, %v", got, err)
		}
	})
	t.Run("P024_too_long", func(t *testing.T) {
		c := sh("true")
		c.Args = append(c.Args, strings.Repeat("x", 4<<20))
		if got, err := c.Run(t.Context()); got != 126 || !errors.Is(err, unix.E2BIG) {
			t.Errorf("%d, %v", got, err)
		}
	})
}

func TestLookPath(t *testing.T) {
	root := t.TempDir()
	t.Chdir(root)
	for path, mode := range map[string]os.FileMode{
		"a/tool": 0o755, "b/tool": 0o755, "plain/tool": 0o644, "here": 0o755, "rel/thing": 0o755,
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("exit 0"), mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll("dir/tool", 0o755); err != nil {
		t.Fatal(err)
	}
	p := func(dirs ...string) string {
		for i, d := range dirs {
			dirs[i] = filepath.Join(root, d)
		}
		return strings.Join(dirs, ":")
	}
	for _, tt := range []struct {
		name, command, path, want string
		err                       error
	}{
		{"first_wins", "tool", p("a", "b"), filepath.Join(root, "a/tool"), nil},
		{"not_executable_passed_over", "tool", p("plain", "b"), filepath.Join(root, "b/tool"), nil},
		{"directory_passed_over", "tool", p("dir", "b"), filepath.Join(root, "b/tool"), nil},
		{"only_not_executable", "tool", p("plain", "dir"), "", ErrNotExecutable},
		{"only_directory", "tool", p("dir"), "", ErrNotFound},
		{"missing_entries", "tool", p("none", "a"), filepath.Join(root, "a/tool"), nil},
		{"P023_dot", "here", ".:" + p("a"), "", exec.ErrDot},
		{"P023_empty_entry", "here", ":" + p("a"), "", exec.ErrDot},
		{"P023_empty_last_entry", "here", p("a") + ":", "", exec.ErrDot},
		{"P023_relative_entry", "thing", "rel", "", exec.ErrDot},
		{"P023_not_in_path", "here", p("a"), "", ErrNotFound},
		{"P023_empty_path", "here", "", "", ErrNotFound},
		{"P023_explicit", "./here", "", "./here", nil},
		{"P023_dots", "..", p("a"), "", ErrNotFound},
		{"P023_empty_name", "", p("a"), "", ErrNotFound},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := LookPath(tt.command, tt.path)
			if !errors.Is(err, tt.err) || got != tt.want {
				t.Errorf("%q, %v, want %q, %v", got, err, tt.want, tt.err)
			}
		})
	}
}

// Arguments and environment arrive byte for byte.
func TestBytesPass(t *testing.T) {
	big := strings.Repeat("x", 120<<10) // Linux takes up to 128 KiB each
	args := []string{"report", "", "a\nb", "\xff\xfe", "--json", "--", "-v", "ä ' \" $HOME `", big, big, big, big}
	env := []string{roleVar + "=report", noRaceSleep, "BAD=\xff", "EMPTY=", "TWICE=1", "TWICE=2", "B=" + big, "C=" + big, "D=" + big, "E=" + big}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got := make(chan report, 1)
	go func() {
		var rep report
		json.NewDecoder(r).Decode(&rep)
		got <- rep
	}()
	c := Cmd{Path: self(t), Args: args, Env: env, Stdout: w}
	exit, err := c.Run(t.Context())
	w.Close()
	if exit != 0 || err != nil {
		t.Fatal(exit, err)
	}
	rep := <-got
	// The child is a Go program, which keeps the first of two equal names.
	env = append(env[:5], env[6:]...)
	if string(rep.Args) != strings.Join(args, "\x00") || string(rep.Env) != strings.Join(env, "\x00") {
		t.Errorf("P024: %d bytes of arguments and %d of environment are not what was given", len(rep.Args), len(rep.Env))
	}
}

func TestStreams(t *testing.T) {
	data := make([]byte, 5<<20)
	rand.Read(data)
	t.Run("P010_bytes", func(t *testing.T) {
		cmd := command(t, "cat")
		cmd.Stdin = bytes.NewReader(data)
		if out, errs, exit := run(t, cmd); exit != 0 || out != string(data) {
			t.Errorf("exit %d, %d bytes, %s", exit, len(out), errs)
		}
	})
	t.Run("P010_full", func(t *testing.T) {
		var errors []string
		for _, cmd := range []*exec.Cmd{exec.Command("sh", "-c", "echo x"), command(t, "sh", "-c", "echo x")} {
			full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			cmd.Stdout = full
			_, errs, exit := run(t, cmd)
			full.Close()
			errors = append(errors, fmt.Sprintf("%d: %s", exit, errs))
		}
		if errors[0] != errors[1] || strings.HasPrefix(errors[0], "0:") {
			t.Errorf("directly %q, under authsome %q", errors[0], errors[1])
		}
	})
	t.Run("P010_SIGPIPE", func(t *testing.T) {
		for _, cmd := range []*exec.Cmd{command(t, "yes"), exec.Command("yes")} {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			cmd.Stdout = w
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			w.Close()
			r.Read(make([]byte, 10))
			r.Close()
			if exit := code(t, cmd.Wait()); exit != 128+int(unix.SIGPIPE) {
				t.Errorf("exit %d, want that of SIGPIPE", exit)
			}
		}
	})
	t.Run("P010_closed", func(t *testing.T) {
		// The shell closes the three, then becomes authsome; the child looks
		// what authsome and itself have in their place.
		out := filepath.Join(t.TempDir(), "out")
		cmd := role(t, "run", "-c", `exec "$0" sh -c 'for p in $$ $PPID; do for n in 0 1 2; do readlink /proc/$p/fd/$n; done; done > "$OUT"' <&- >&- 2>&-`, self(t))
		cmd.Path, cmd.Env = "/bin/sh", append(cmd.Env, "OUT="+out)
		cmd.Args[0] = "sh"
		if _, errs, exit := run(t, cmd); exit != 0 {
			t.Fatal(exit, errs)
		}
		got, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		// The child's own stdout is the file it writes to.
		want := strings.ReplaceAll("N\nOUT\nN\nN\nN\nN\n", "N", "/dev/null")
		if diff := cmp.Diff(strings.Replace(want, "OUT", out, 1), string(got)); diff != "" {
			t.Error(diff)
		}
	})
}

// What the caller had open passes, what authsome opened does not: the child
// has the descriptors it would have if run directly.
func TestDescriptors(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "passed"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, extra := range []int{0, 7} { // none, and 3 to 9
		t.Run(fmt.Sprintf("P011_%d_passed", extra), func(t *testing.T) {
			var lists [][]string
			for _, cmd := range []*exec.Cmd{exec.Command("ls", "/proc/self/fd"), command(t, "ls", "/proc/self/fd")} {
				for range extra {
					cmd.ExtraFiles = append(cmd.ExtraFiles, file)
				}
				out, errs, exit := run(t, cmd)
				if exit != 0 {
					t.Fatal(exit, errs)
				}
				lists = append(lists, strings.Fields(out))
			}
			if diff := cmp.Diff(lists[0], lists[1]); diff != "" || len(lists[0]) < 3+extra {
				t.Error(lists[0], diff)
			}
		})
	}
}

// Nothing is left of 50 runs: no descriptor, goroutine, zombie or folder.
func TestManyRuns(t *testing.T) {
	base := t.TempDir()
	once := func() {
		dir, err := NewRunDir("", base)
		if err != nil {
			t.Fatal(err)
		}
		if exit, err := sh("exit 0").Run(t.Context()); exit != 0 || err != nil {
			t.Fatal(exit, err)
		}
		if err := dir.Remove(); err != nil {
			t.Fatal(err)
		}
	}
	once()
	files, goroutines := openFiles(t), runtime.NumGoroutine()
	for range 50 {
		once()
	}
	if got := openFiles(t); got != files {
		t.Errorf("P027: %d descriptors before, %d after", files, got)
	}
	eventually(t, "end of the goroutines", func() bool { return runtime.NumGoroutine() <= goroutines })
	if left, _ := os.ReadDir(base); len(left) != 0 {
		t.Errorf("P027: left behind: %v", left)
	}
	if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); !errors.Is(err, unix.ECHILD) {
		t.Errorf("P009: a child is left: %d, %v", pid, err)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/dev/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// The run ends with the child, not with what the child leaves behind.
func TestGrandchildren(t *testing.T) {
	start := time.Now()
	exit, err := sh("(sleep 20 & sleep 20 &) >/dev/null 2>&1; i=0; while [ $i -lt 50 ]; do (true &); i=$((i+1)); done; exit 3").Run(t.Context())
	if exit != 3 || err != nil || time.Since(start) > 15*time.Second {
		t.Errorf("P009: %d, %v after %v", exit, err, time.Since(start))
	}
}

func TestContext(t *testing.T) {
	t.Run("P005_TERM", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		ready := signalFile(t)
		c := sh(`trap 'exit 9' TERM; : > "$READY"; while :; do sleep 0.01; done`)
		c.Env = append(c.Env, "READY="+ready)
		go func() { waitFor(ready); cancel() }()
		if exit, err := c.Run(ctx); exit != 9 || err != nil {
			t.Errorf("%d, %v", exit, err)
		}
	})
	t.Run("P005_then_KILL", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		ready := signalFile(t)
		c := sh(`trap '' TERM; : > "$READY"; while :; do sleep 0.01; done`)
		c.Env, c.killDelay = append(c.Env, "READY="+ready), 50*time.Millisecond
		go func() { waitFor(ready); cancel() }()
		if exit, err := c.Run(ctx); exit != 137 || err != nil {
			t.Errorf("%d, %v", exit, err)
		}
	})
}

func signalFile(t *testing.T) string { return filepath.Join(t.TempDir(), "ready") }

func waitFor(path string) {
	for range 4000 {
		if _, err := os.Stat(path); err == nil {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

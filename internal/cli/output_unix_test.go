//go:build unix

package cli_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"
)

// allCommands prints something with each command, in a world where openai is
// connected.
func allCommands() [][]string {
	return [][]string{
		{"login", "openai"}, {"list"}, {"get", "openai"}, {"get", "openai", "--show-secret"}, {"inspect", "openai"}, {"inspect", "--schema"},
		{"export", "openai"}, {"default", "openai", "default"}, {"register", "acme.json", "--yes", "--force"}, {"remove", "acme"},
		{"log"}, {"whoami"}, {"doctor"}, {"ca"}, {"run", "--print-env"}, {"version"}, {"--version"}, {"completion", "bash"},
		{"completion", "zsh"}, {"help"}, {"--help"}, {"list", "--help"}, {"revoke", "github"}, {"logout", "openai"}, {"demo"},
	}
}

func outputWorld(t *testing.T) *world {
	w := newWorld(t)
	w.login(t, "openai", w.Canary("key"))
	writeFile(t, filepath.Join(w.dir, "acme.json"), acme("acme"))
	w.must(t, "register", "acme.json", "--yes")
	return w
}

// TestFullDisk: whoever prints data and can't says so and fails.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	w := outputWorld(t)
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	for i, args := range allCommands() {
		if i%2 == 1 && args[0] != "completion" && args[0] != "help" && !strings.HasPrefix(args[0], "-") {
			args = append(args, "--json")
		}
		r := w.invoke(t, invocation{args: args, stdout: full})
		if r.code == 0 || r.code == -1 {
			t.Errorf("C006 %q > /dev/full: %v", args, r)
		}
		if !strings.Contains(r.stderr, "no space left") && r.code != 5 {
			t.Errorf("C006 %q > /dev/full says %q", args, r.stderr)
		}
	}
}

// TestBrokenPipe: nobody reads any more. A program dies of that, as others do.
func TestBrokenPipe(t *testing.T) {
	t.Parallel()
	w := outputWorld(t)
	for _, args := range allCommands() {
		read, write, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		_ = read.Close()
		r := w.invoke(t, invocation{args: args, stdout: write})
		_ = write.Close()
		if r.code == 0 {
			t.Errorf("C006 %q | nobody: %v", args, r)
		}
	}
}

// TestClosedStdout: the Go runtime puts /dev/null where nothing is open, which
// can't be told from a redirection to it. What matters is that no file that is
// opened next gets the output, and that nothing goes elsewhere.
func TestClosedStdout(t *testing.T) {
	t.Parallel()
	w := outputWorld(t)
	for _, args := range allCommands() {
		command := `exec "$@"`
		for _, closed := range []string{">&-", "<&-", "<&- >&-", "<&- >&- 2>&-"} {
			if closed != ">&-" && args[0] != "list" && args[0] != "export" && args[0] != "run" {
				continue
			}
			r := w.invoke(t, invocation{program: "sh", args: append([]string{"-c", command + " " + closed, "sh", "authsome"}, args...), reveals: closed == "<&-"})
			if r.code != 0 && r.code != 5 && r.code != 3 && r.code != 1 {
				t.Errorf("C006 %q %s: %v", args, closed, r)
			}
		}
	}
	w.authsome(t, "get", "openai") // the vault is as good as before
}

// TestOddEnvironment runs commands where something usual is missing.
func TestOddEnvironment(t *testing.T) {
	t.Parallel()
	w := outputWorld(t)
	gone := filepath.Join(w.dir, "gone")
	lost := filepath.Join(w.dir, "tmp", "nowhere")
	inGone := func(cmd *exec.Cmd) {
		cmd.Args = append([]string{"sh", "-c", `cd "$1" && rmdir "$1" && shift && exec "$@"`, "sh", gone, w.binary}, cmd.Args[1:]...)
		cmd.Path = "/bin/sh"
		if err := os.MkdirAll(gone, 0o700); err != nil {
			t.Error(err)
		}
	}
	cases := []struct {
		name string
		i    invocation
		code int
	}{
		{"HOME unset", invocation{args: []string{"list"}, env: []string{"HOME="}}, 7},
		{"HOME unset, version", invocation{args: []string{"version"}, env: []string{"HOME="}}, 0},
		{"HOME unset, help", invocation{args: []string{"login", "--help"}, env: []string{"HOME="}}, 0},
		{"HOME unset, completion", invocation{args: []string{"completion", "bash"}, env: []string{"HOME="}}, 0},
		{"HOME unset, doctor", invocation{args: []string{"doctor"}, env: []string{"HOME="}}, 1},
		{"HOME unset, run", invocation{args: []string{"run", "true"}, env: []string{"HOME="}}, 125},
		{"HOME unset, demo", invocation{args: []string{"demo"}, env: []string{"HOME="}}, 0},
		{"HOME unset, AUTHSOME_HOME", invocation{args: []string{"get", "openai"}, env: []string{"HOME=", "AUTHSOME_HOME=" + w.home()}}, 0},
		{"HOME relative", invocation{args: []string{"list"}, env: []string{"HOME=x"}}, 7},
		{"TMPDIR missing, run", invocation{args: []string{"run", "true"}, env: []string{"TMPDIR=" + lost}}, 0},
		{"TMPDIR missing, demo", invocation{args: []string{"demo"}, env: []string{"TMPDIR=" + lost}}, 0},
		{"TMPDIR relative", invocation{args: []string{"run", "true"}, env: []string{"TMPDIR=x"}}, 0},
		{"PATH unset", invocation{args: []string{"run", "true"}, env: []string{"PATH="}}, 127},
		{"PATH unset, list", invocation{args: []string{"list"}, env: []string{"PATH="}}, 0},
		{"cwd deleted, list", invocation{args: []string{"list"}, prepare: inGone}, 0},
		{"cwd deleted, get", invocation{args: []string{"get", "openai"}, prepare: inGone}, 0},
		{"cwd deleted, run", invocation{args: []string{"run", "true"}, prepare: inGone}, 0},
		{"cwd deleted, demo", invocation{args: []string{"demo"}, prepare: inGone}, 0},
		{"LC_ALL=C", invocation{args: []string{"list"}, env: []string{"LC_ALL=C", "LANG="}}, 0},
		{"LC_ALL=tr_TR", invocation{args: []string{"list"}, env: []string{"LC_ALL=tr_TR.UTF-8"}}, 0},
		{"read-only cwd", invocation{args: []string{"run", "true"}, dir: "/proc"}, 0},
	}
	for _, c := range cases {
		if r := w.invoke(t, c.i); r.code != c.code {
			t.Errorf("C009 %s: want exit %d: %v", c.name, c.code, r)
		}
	}
	entries, err := os.ReadDir(filepath.Join(w.dir, "tmp"))
	if err != nil || len(entries) > 0 {
		t.Errorf("C009 left in TMPDIR: %v, %v", entries, err)
	}
}

// TestTurkish: host names are compared as ASCII whatever the locale, in which
// the lower case of I is not i.
func TestTurkish(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := w.Canary("key")
	w.login(t, "openai", key)
	for _, host := range []string{"API.OPENAI.COM", "api.openai.com"} {
		w.invoke(t, invocation{args: []string{"run", "--", "curl", "-sS", "https://" + host + "/v1/models"}, env: []string{"LC_ALL=tr_TR.UTF-8"}})
	}
	requests := w.Requests()
	if len(requests) != 2 {
		t.Fatalf("C009 %d requests", len(requests))
	}
	for _, r := range requests {
		if r.Get("Authorization") != "Bearer "+key {
			t.Errorf("C009 no key for %v", r)
		}
	}
}

// TestParallel reads while others write: no answer is torn and none is late.
func TestParallel(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.login(t, "openai", w.Canary("first"))
	keys := []string{w.Canary("a"), w.Canary("b")}
	var group errgroup.Group
	for _, key := range keys {
		group.Go(func() error {
			for range 10 {
				w.login(t, "openai", key, "--force")
			}
			return nil
		})
	}
	for _, args := range [][]string{{"list", "--json"}, {"get", "openai", "--json"}, {"inspect", "openai"}} {
		group.Go(func() error {
			for range 34 { // 102 in all
				r := w.authsome(t, args...)
				if err := oneDocument(r.stdout); r.code != 0 || err != nil || r.stderr != "" {
					t.Errorf("C012 %q: %v, %v", args, r, err)
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
}

// measure runs authsome and returns also the most memory it had, in bytes. A
// small program starts it: the kernel counts in what its parent had.
func (w *world) measure(t *testing.T, i invocation) (result, int) {
	t.Helper()
	i.program = "/usr/bin/python3"
	i.args = append([]string{"-c", `import resource, subprocess, sys
code = subprocess.run(["authsome"] + sys.argv[1:]).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(code)`}, i.args...)
	r := w.invoke(t, i)
	lines := strings.Split(strings.TrimSpace(r.stderr), "\n")
	kib, err := strconv.Atoi(lines[len(lines)-1])
	if err != nil {
		t.Fatalf("%v: %v", err, r)
	}
	return r, kib << 10
}

// TestHugeLog: a log of 2 GiB, nearly all of it no entry at all, costs neither
// memory nor, for its end, time.
func TestHugeLog(t *testing.T) {
	t.Parallel()
	line := `{"time":"2026-01-02T03:04:05.000000Z","seq":1,"run":"x","event":"login","provider":"acme","connection":"last"}` + "\n"
	for n, size := range map[string]int64{"3": 2 << 30, "1000000000": 256 << 20} {
		w := newWorld(t)
		log := w.home("audit.log")
		writeFile(t, log, "")
		f, err := os.OpenFile(log, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.WriteAt([]byte("\n"+strings.Repeat(line, 3)), size)
		if err := firstOf(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		r, memory := w.measure(t, invocation{args: []string{"log", "-n", n}})
		if r.code != 0 || strings.Count(r.stdout, "acme/last") != 3 {
			t.Errorf("L010 -n %s: %v", n, r)
		}
		if memory > 64<<20 {
			t.Errorf("L010 -n %s took %d bytes of memory", n, memory)
		}
		if err := os.Remove(log); err != nil { // the search for canaries would read it
			t.Fatal(err)
		}
	}
}

//go:build linux

package clients_test

import (
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// trace runs authsome under strace and returns the calls named, one a line,
// without those of the command that it runs.
func (w *world) trace(t *testing.T, calls string, args ...string) []string {
	t.Helper()
	log := filepath.Join(w.tmp, "trace")
	cmd := w.cmd(t, args...)
	cmd.Args = append([]string{"strace", "-f", "-qq", "-y", "-s", "256", "-o", log, "-e", "trace=execve," + calls, w.bin}, args...)
	cmd.Path = "/usr/bin/strace"
	if r := w.finish(t, cmd); r.code != 0 {
		t.Fatalf("strace %s: %s", strings.Join(args, " "), r)
	}
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(log); err != nil {
		t.Fatal(err)
	}
	return ownCalls(string(text))
}

// ownCalls leaves out processes that became another program.
func ownCalls(trace string) []string {
	var calls []string
	programs := map[string]bool{}
	for line := range strings.Lines(trace) {
		pid, call, _ := strings.Cut(strings.TrimSpace(line), " ")
		call = strings.TrimSpace(call)
		if strings.HasPrefix(call, "execve(") {
			programs[pid] = len(programs) > 0
			continue
		}
		if !programs[pid] {
			calls = append(calls, call)
		}
	}
	return calls
}

// TestCost_splice: what a blind tunnel carries never enters the process; the
// kernel moves it.
func TestCost_splice(t *testing.T) {
	t.Parallel()
	const size = 32 << 20
	w := newWorld(t)
	w.login(t, "openai", w.Canary("openai"))
	w.Handle("files.example/", http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Length", strconv.Itoa(size))
		_, _ = io.CopyN(rw, zeros{}, size)
	}))
	calls := w.trace(t, "splice,read", "run", "--", "curl", "-sS", "--fail", "-o", "/dev/null", "https://files.example/big")
	moved, read := 0, 0
	for _, call := range calls {
		_, result, _ := strings.Cut(call, " = ")
		n, _ := strconv.Atoi(strings.Fields(result + " -1")[0])
		switch {
		case n <= 0:
		case strings.Contains(call, "splice"):
			moved += n
		case strings.Contains(call, "read") && strings.Contains(call, "TCP"):
			read += n
		}
	}
	if moved < 2*size || read > 64<<10 { // into the pipe and out of it
		t.Errorf("the kernel moved %d bytes, %d were read, of a body of %d", moved/2, read, size)
	}
}

// zeros is an endless file.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestCost_files: a run opens its records, the user's own definitions (its
// authority is for their hosts too), git's settings, and no other file.
func TestCost_files(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, name := range []string{"one", "two", "three"} {
		w.define(t, name, name+".example")
		if name != "three" {
			w.login(t, name, w.Canary(name))
		}
	}
	opened := map[string]int{}
	for _, call := range w.trace(t, "open,openat", "run", "--", "true") {
		if m := regexp.MustCompile(`open(?:at)?\((?:[^",]+, )?"([^"]*)"`).FindStringSubmatch(call); m != nil {
			opened[w.general(m[1])]++
		}
	}
	records := opened["HOME/vault/RECORD"] // two looks for what a rekey would leave are among them
	want := []string{
		".authsome.ini.new", ".bundle.pem.new", ".ca.pem.new", ".shim.cjs.new", ".sitecustomize.py.new", ".spki.txt.new", ".trust.p12.new", ".wgetrc.new", "/dev/null", "/dev/tty", "/etc/gitconfig", "/etc/ssl/certs/ca-certificates.crt", "CA", "HOME/providers", "HOME/providers/one.json", "HOME/providers/three.json", "HOME/providers/two.json",
		"HOME/vault", "HOME/vault.key", "HOME/vault/.generation", "HOME/vault/RECORD", "HOME/vault/header", "RUN", "TMP", "TMP/RUN", "php", "py",
	}
	delete(opened, "") // the system's
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(opened))); diff != "" || records > 7 {
		t.Errorf("%d records opened; files (-want +got):\n%s", records, diff)
	}
}

// general is a path without what differs from run to run, "" for what the Go
// runtime looks at.
func (w *world) general(path string) string {
	if strings.HasPrefix(path, "/proc/") || strings.HasPrefix(path, "/sys/") {
		return ""
	}
	for _, r := range []struct{ pattern, name string }{
		{`^` + w.home, "HOME"}, {`^` + w.tmp, "TMP"}, {`^` + w.CA() + `$`, "CA"}, {`/[0-9a-f]{64}$`, "/RECORD"}, {`authsome-run-\d+$`, "RUN"},
	} {
		path = regexp.MustCompile(r.pattern).ReplaceAllString(path, r.name)
	}
	return path
}

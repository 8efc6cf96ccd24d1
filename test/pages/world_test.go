//go:build linux

package pages_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"authsome/test/lab"
)

// patience is how long anything may take that should be quick, on a machine
// that has other things to do.
const patience = 60 * time.Second

// Exit codes.
const (
	exitLogin     = 4
	exitCancelled = 8
)

// A world is a lab with one user in it.
type world struct {
	*lab.Lab
	home     string // AUTHSOME_HOME
	bin      string // authsome
	visits   string // file of the addresses a browser was started with
	pictures string // folder
}

func newWorld(t *testing.T) *world {
	t.Helper()
	l := lab.New(t)
	return &world{
		Lab: l, home: filepath.Join(l.Dir(), "authsome"), bin: lab.Build(t),
		visits: filepath.Join(t.TempDir(), "visits"), pictures: t.TempDir(),
	}
}

// A process is an authsome that runs, without a terminal.
type process struct {
	cmd            *exec.Cmd
	stdout, stderr bytes.Buffer // to be read when it has ended
}

// start starts authsome with this test binary as the browser.
func (w *world) start(t *testing.T, args ...string) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	p := &process{cmd: exec.CommandContext(ctx, w.bin, args...)}
	p.cmd.Env = append(w.Env(w.home), "BROWSER="+self, visitsVariable+"="+w.visits)
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = w.Dir(), &p.stdout, &p.stderr
	p.cmd.WaitDelay = 5 * time.Second // a browser that holds the pipes
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	return p
}

// end waits until the process has ended, searches what it said, and returns
// its exit code.
func (w *world) end(t *testing.T, p *process) int {
	t.Helper()
	err := p.cmd.Wait()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	w.SearchBytes(t, "stdout", p.stdout.Bytes())
	w.SearchBytes(t, "stderr", p.stderr.Bytes())
	return p.cmd.ProcessState.ExitCode()
}

// visit waits for the nth address, from 0, that a browser was started with.
func (w *world) visit(t *testing.T, n int) string {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		data, err := os.ReadFile(w.visits)
		lines := strings.SplitAfter(string(data), "\n")
		if err == nil && len(lines) > n && strings.HasSuffix(lines[n], "\n") {
			return strings.TrimSuffix(lines[n], "\n")
		}
	}
	t.Fatalf("no browser was started %d times", n+1)
	return ""
}

// status is that of a provider's default connection, "" for none.
func (w *world) status(t *testing.T, provider string) string {
	t.Helper()
	p := w.start(t, "list", "--json")
	if code := w.end(t, p); code != 0 {
		t.Fatalf("list: exit %d: %s", code, p.stderr.String())
	}
	var listed map[string][]struct {
		Name        string
		Connections []struct{ Status string }
	}
	if err := json.Unmarshal(p.stdout.Bytes(), &listed); err != nil {
		t.Fatal(err)
	}
	for _, found := range slices.Concat(listed["bundled"], listed["custom"]) {
		if found.Name == provider && len(found.Connections) == 1 {
			return found.Connections[0].Status
		}
	}
	return ""
}

// origin is scheme and host of an address.
func origin(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Scheme + "://" + u.Host
}

// staysAt fails the test for a request to another origin.
func (r report) staysAt(t *testing.T, origins ...string) {
	t.Helper()
	if len(r.Requests) == 0 {
		t.Error("the browser asked for nothing")
	}
	for _, address := range r.Requests {
		if !slices.Contains(origins, origin(t, address)) {
			t.Errorf("the browser asked for %s", address)
		}
	}
}

// trimmed is the heading that a title repeats.
func trimmed(title string) string { return strings.TrimSuffix(title, " – authsome") }

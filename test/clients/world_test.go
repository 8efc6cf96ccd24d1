//go:build linux

package clients_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"authsome/test/lab"
)

// patience is how long anything may take that should be quick, on a machine
// that has other things to do.
const patience = 90 * time.Second

const placeholder = "authsome-proxy-managed"

// A world is a lab with one user in it: an authsome home, an empty HOME and a
// TMPDIR, all below Dir.
type world struct {
	*lab.Lab
	home string // AUTHSOME_HOME, which does not exist yet
	tmp  string // TMPDIR
	bin  string // authsome
	env  []string
}

// newWorld also searches everything below Dir for canaries when the test ends.
func newWorld(t *testing.T) *world {
	t.Helper()
	l := lab.New(t)
	home := filepath.Join(l.Dir(), "authsome")
	w := &world{Lab: l, home: home, tmp: filepath.Join(l.Dir(), "tmp"), bin: authsome(t), env: l.Env(home)}
	t.Cleanup(func() { l.Search(t, l.Dir()) })
	return w
}

// set returns env with a variable set.
func set(env []string, name, value string) []string {
	return append(unset(env, name), name+"="+value)
}

func unset(env []string, name string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(entry string) bool { return strings.HasPrefix(entry, name+"=") })
}

// A result is how a program ended and what it said.
type result struct {
	code           int // 128+N if signal N ended it
	stdout, stderr string
	took           time.Duration
}

func (r result) String() string {
	return fmt.Sprintf("exit %d after %v\nstdout: %s\nstderr: %s", r.code, r.took.Round(time.Millisecond), r.stdout, r.stderr)
}

// finish runs cmd to its end. What it says is free of canaries.
func (w *world) finish(t *testing.T, cmd *exec.Cmd) result {
	t.Helper()
	r := w.finishWithSecrets(t, cmd)
	w.SearchBytes(t, "stdout of "+cmd.Path, []byte(r.stdout))
	w.SearchBytes(t, "stderr of "+cmd.Path, []byte(r.stderr))
	return r
}

func (w *world) finishWithSecrets(t *testing.T, cmd *exec.Cmd) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	start := time.Now()
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v", cmd.Path, err)
	}
	return result{exitCode(cmd.ProcessState), stdout.String(), stderr.String(), time.Since(start)}
}

func exitCode(state *os.ProcessState) int {
	if status := state.Sys().(syscall.WaitStatus); status.Signaled() {
		return 128 + int(status.Signal())
	}
	return state.ExitCode()
}

// cmd is authsome with these arguments. It is killed when it takes too long.
func (w *world) cmd(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, w.bin, args...)
	cmd.Env, cmd.Dir = w.env, w.tmp
	cmd.WaitDelay = 5 * time.Second // a grandchild that holds the pipes
	return cmd
}

// do runs authsome.
func (w *world) do(t *testing.T, args ...string) result {
	t.Helper()
	return w.finish(t, w.cmd(t, args...))
}

// ok runs authsome, which has to succeed.
func (w *world) ok(t *testing.T, args ...string) result {
	t.Helper()
	r := w.do(t, args...)
	if r.code != 0 {
		t.Fatalf("authsome %s: %s", strings.Join(args, " "), r)
	}
	return r
}

// login stores a key, as one does in a script.
func (w *world) login(t *testing.T, provider, key string, args ...string) {
	t.Helper()
	cmd := w.cmd(t, append([]string{"login", provider, "--with-token"}, args...)...)
	cmd.Stdin = strings.NewReader(key)
	if r := w.finish(t, cmd); r.code != 0 {
		t.Fatalf("login %s: %s", provider, r)
	}
}

// define adds a custom provider for host whose key goes into Authorization.
func (w *world) define(t *testing.T, name, host string) {
	t.Helper()
	w.defineWith(t, name, host, `[{"kind": "header", "name": "Authorization", "value": "Bearer {api_key}"}]`)
}

func (w *world) defineWith(t *testing.T, name, host, inject string) {
	t.Helper()
	variable := strings.ToUpper(name) + "_KEY"
	definition := fmt.Sprintf(`{"schema_version": 1, "name": %q, "display_name": %q, "auth_type": "api_key", "flow": "api_key",
		"host_url": %q, "inject": %s, "export": {"env": {"api_key": [%q]}}}`, name, name, host, inject, variable)
	file := filepath.Join(w.Dir(), name+".json")
	if err := os.WriteFile(file, []byte(definition), 0o600); err != nil {
		t.Fatal(err)
	}
	w.ok(t, "register", "--force", "--yes", file)
}

// connections is what `list --json` shows for a provider: name to status.
func (w *world) connections(t *testing.T) map[string]map[string]string {
	t.Helper()
	type provider struct {
		Name        string
		Connections []struct {
			Name   string `json:"connection_name"`
			Status string
		}
	}
	var listed map[string][]provider
	r := w.ok(t, "list", "--json")
	if err := json.Unmarshal([]byte(r.stdout), &listed); err != nil {
		t.Fatalf("list --json: %v\n%s", err, r.stdout)
	}
	found := map[string]map[string]string{}
	for _, source := range listed {
		for _, p := range source {
			for _, c := range p.Connections {
				if found[p.Name] == nil {
					found[p.Name] = map[string]string{}
				}
				found[p.Name][c.Name] = c.Status
			}
		}
	}
	return found
}

// runFolders are the folders of runs that are there.
func (w *world) runFolders(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(w.tmp, "authsome-run-*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// requests are those the upstream received for a host.
func (w *world) requests(host string) []lab.Record {
	return slices.DeleteFunc(w.Requests(), func(r lab.Record) bool { return r.Host != host })
}

// bare fails the test when a request carries a canary.
func (w *world) bare(t *testing.T, r lab.Record) {
	t.Helper()
	w.SearchBytes(t, r.String(), fmt.Append(nil, r.Target, r.Fields, r.Body, r.Trailers))
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

func contains(t *testing.T, what, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%s does not hold %q: %s", what, part, text)
		}
	}
}

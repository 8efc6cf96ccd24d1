//go:build linux && amd64

// Package agents drives the real authsome binary with the coding agents that
// people run under it: each completes a prompt at its vendor's host names,
// with nothing but the placeholder, and the lab's upstream says what it got.
package agents_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"authsome/test/lab"
)

// patience is how long a prompt may take on a machine that has other things to
// do.
const patience = 8 * time.Minute

const placeholder = "authsome-proxy-managed"

// A world is a lab with one user in it who has just installed an agent.
type world struct {
	*lab.Lab
	bin, work string
	env       []string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	l := lab.New(t)
	w := &world{Lab: l, bin: lab.Build(t), work: filepath.Join(l.Dir(), "work"), env: l.Env(filepath.Join(l.Dir(), "authsome"))}
	if err := os.Mkdir(w.work, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Search(t, l.Dir()) })
	return w
}

// login stores a canary in the form of the provider's keys.
func (w *world) login(t *testing.T, provider, format string) string {
	t.Helper()
	key := w.CanaryAs(provider, format)
	r := w.authsome(t, key, "login", provider, "--with-token")
	if r.err != nil {
		t.Fatalf("login %s: %v", provider, r)
	}
	return key
}

// A result is how a program ended and what it said.
type result struct {
	err            error
	stdout, stderr string
}

func (r result) String() string {
	return fmt.Sprintf("%v\nstdout: %s\nstderr: %s", r.err, r.stdout, r.stderr)
}

// authsome runs the binary. What it and its child say is free of canaries.
func (w *world) authsome(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, w.bin, args...)
	cmd.Env, cmd.Dir, cmd.WaitDelay = w.env, w.work, 5*time.Second
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Errorf("%s: %v", cmd.Path, err)
	}
	w.SearchBytes(t, "stdout", stdout.Bytes())
	w.SearchBytes(t, "stderr", stderr.Bytes())
	return result{err, stdout.String(), stderr.String()}
}

// installed is a program below node/node_modules.
func installed(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("node", "node_modules", path))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v; run %s", err, "test/agents/deps")
	}
	return path
}

// requests are those the upstream received for a host.
func (w *world) requests(host string) []lab.Record {
	return slices.DeleteFunc(w.Requests(), func(r lab.Record) bool { return r.Host != host })
}

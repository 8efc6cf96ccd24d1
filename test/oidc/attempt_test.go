//go:build linux

package oidc_test

import (
	"bytes"
	"net/url"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// An attempt is a login that has printed where the human is to go.
type attempt struct {
	cmd    *exec.Cmd
	shown  *url.URL      // the page the human is to open
	done   chan struct{} // closed when it has ended
	stdout bytes.Buffer
	stderr transcript
}

// transcript is what a program has said so far.
type transcript struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (s *transcript) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *transcript) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// begin starts a login without a browser and waits until it shows a page.
func (w *world) begin(t *testing.T, args ...string) *attempt {
	t.Helper()
	a := &attempt{cmd: w.cmd(t, append([]string{"login", "--no-browser"}, args...)...), done: make(chan struct{})}
	a.cmd.Stdout, a.cmd.Stderr = &a.stdout, &a.stderr
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = a.cmd.Wait(); close(a.done) }()
	t.Cleanup(func() { _ = a.cmd.Process.Kill(); <-a.done })
	until(t, "a page to open", func() bool {
		for line := range strings.Lines(a.stderr.String()) {
			if u, err := url.Parse(strings.TrimSpace(line)); err == nil && strings.HasSuffix(line, "\n") && u.Scheme == "https" {
				a.shown = u
			}
		}
		return a.shown != nil || a.over()
	})
	if a.shown == nil {
		t.Fatalf("no page to open: %s", a.stderr.String())
	}
	return a
}

// callback is the redirect URI of the attempt with a query.
func (a *attempt) callback(query string) string {
	return a.shown.Query().Get("redirect_uri") + "?" + query
}

func (a *attempt) state() string { return a.shown.Query().Get("state") }

// end waits for the login to end.
func (a *attempt) end(t *testing.T) result {
	t.Helper()
	<-a.done
	return result{code: exitCode(a.cmd.ProcessState), stdout: a.stdout.String(), stderr: a.stderr.String()}
}

// over reports whether the login has ended.
func (a *attempt) over() bool {
	select {
	case <-a.done:
		return true
	default:
		return false
	}
}

// waiting fails the test unless the login still waits.
func (a *attempt) waiting(t *testing.T) {
	t.Helper()
	if a.over() {
		t.Errorf("the login does not wait any more: %s", a.stderr.String())
	}
}

// approve does what an attempt asks of the human and returns the last page.
func (w *world) approve(t *testing.T, a *attempt) page {
	t.Helper()
	p, err := w.human(t, planWalk).visit(t.Context(), a.shown.String())
	if err != nil {
		t.Fatalf("approve: %v\n%s", err, a.stderr.String())
	}
	return p
}

// login logs in to example.
func (w *world) login(t *testing.T, args ...string) {
	t.Helper()
	a := w.begin(t, append([]string{"example", "--client-id", w.client.id}, args...)...)
	p := w.approve(t, a)
	if r := a.end(t); r.code != 0 {
		t.Fatalf("login: %s\nthe page: %d %s", r, p.Status, p.Body)
	}
}

// interrupt ends a login by a signal.
func interrupt(t *testing.T, a *attempt, signal syscall.Signal) result {
	t.Helper()
	if err := a.cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	return a.end(t)
}

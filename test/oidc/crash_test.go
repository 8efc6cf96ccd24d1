//go:build linux

package oidc_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// How many refreshes are killed, and how many at once.
const (
	kills = 200
	lanes = 8
)

// never is the instant of a kill that comes at no moment of the request, but
// at a random time of the process.
const never moment = -1

// TestCrash_I8: a process that refreshes dies by kill -9, 200 times, before
// and after every step. If the server has not rotated, nothing is lost; else
// the token was kept, or the connection says that only a login helps. No death
// makes more than one further request.
func TestCrash_I8(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var outcome outcomes
	t.Run("lanes", func(t *testing.T) {
		for n := range lanes {
			t.Run(fmt.Sprint(n), func(t *testing.T) {
				t.Parallel()
				l := &lane{world: w, client: w.server.register(t), name: fmt.Sprintf("lane%d", n), outcome: &outcome}
				w.server.lifetime(t, l.client.id, 1)
				for i := range kills / lanes {
					l.round(t, i)
				}
			})
		}
	})
	t.Logf("killed before the end: %d; kept: %d; log in again: %d", outcome.killed.Load(), outcome.kept.Load(), outcome.again.Load())
	if n := outcome.killed.Load(); n < kills*3/4 {
		t.Errorf("%d of %d were killed, which proves little", n, kills)
	}
	if outcome.again.Load() == 0 || outcome.kept.Load() < kills/4 {
		t.Error("the kills did not meet every step")
	}
	for name, c := range w.connections(t, "example") {
		if c.Status != "connected" && c.Status != "expired" {
			t.Errorf("%s is %s", name, c.Status)
		}
	}
}

type outcomes struct{ killed, kept, again atomic.Int32 }

// A lane is a connection whose refreshes are killed, one after the other.
type lane struct {
	*world
	client  client
	name    string
	outcome *outcomes
	good    bool          // there is a grant
	refused int           // refusals before it
	typical time.Duration // how long a refresh takes that is not killed
}

func (l *lane) round(t *testing.T, i int) {
	t.Helper()
	if !l.good {
		l.logIn(t)
	}
	time.Sleep(600 * time.Millisecond) // the token is due
	before := l.server.refreshes(t, l.client.id)
	at := []moment{never, arrived, answered, never, arrived, rotated, never, arrived}[i%8]
	l.kill(t, at)
	start := time.Now()
	token, r := l.token(t, "example", "--connection", l.name)
	l.typical = time.Since(start)
	n := l.server.refreshes(t, l.client.id) - before
	if n > 2 || at == arrived && n > 1 {
		t.Errorf("round %d, killed at %d: the server saw %d refreshes", i, at, n)
	}
	switch {
	case r.code == 0:
		equal(t, "the token is the newest", token == l.server.last(t, l.client.id, "AccessToken"), true)
		l.outcome.kept.Add(1)
	case r.code == exitRefresh && l.refusals(t) > l.refused:
		contains(t, "the way out", r.stderr, "authsome login example --connection "+l.name)
		if l.outcome.again.Add(1) <= lanes { // takes its time
			equal(t, "status", l.connections(t, "example")[l.name].Status, "expired")
		}
		l.good = false
	default:
		t.Errorf("round %d, killed at %d: %s", i, at, r)
		l.good = false
	}
}

// refusals is how many refresh tokens of the lane the server has refused.
func (l *lane) refusals(t *testing.T) int {
	t.Helper()
	n := 0
	for _, e := range l.server.token(t, l.client.id, "refresh_token") {
		if e.Error == "invalid_grant" {
			n++
		}
	}
	return n
}

func (l *lane) logIn(t *testing.T) {
	t.Helper()
	a := l.begin(t, "example", "--client-id", l.client.id, "--connection", l.name, "--force")
	l.approve(t, a)
	if r := a.end(t); r.code != 0 {
		t.Fatalf("login: %s", r)
	}
	l.good, l.refused = true, l.refusals(t)
}

// kill runs a refresh and kills it.
func (l *lane) kill(t *testing.T, at moment) {
	t.Helper()
	cmd := l.cmd(t, "export", "example", "--connection", l.name, "--format", "json")
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	l.front.tap(l.client.id, func(m moment) bool {
		if m != at {
			return true
		}
		if at == answered { // meets the commit and what is before and after it
			time.Sleep(rand.N(4 * time.Millisecond))
		}
		_ = cmd.Process.Kill()
		return m != arrived // else it was lost on its way
	})
	if at == never {
		timer := time.AfterFunc(rand.N(l.typical+20*time.Millisecond), func() { _ = cmd.Process.Kill() })
		defer timer.Stop()
	}
	_ = cmd.Wait()
	l.front.tap(l.client.id, nil)
	switch code := exitCode(cmd.ProcessState); code {
	case 128 + 9:
		l.outcome.killed.Add(1)
	case 0:
	default:
		t.Errorf("export that was to be killed: exit %d: %s", code, said.String())
	}
}

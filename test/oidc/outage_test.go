//go:build linux

package oidc_test

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"authsome/test/lab"
)

// A usage is a request of use and how it was answered.
type usage struct {
	At   time.Time
	Took time.Duration
	Said string
}

// use is a child of `run`: it sends as many requests as its argument says, one
// every 50 ms, and says how each was answered and how long that took.
func use() error {
	n, err := strconv.Atoi(os.Args[1])
	if err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	for range n {
		start := time.Now()
		said := ask("use")
		if err := out.Encode(usage{start, time.Since(start), said}); err != nil {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
	return nil
}

// An outage is a way for the token endpoint to be down.
type outage struct {
	begin    func(*world)
	attempts func(*world) int // to reach it
}

func outages() map[string]outage {
	return map[string]outage{
		"hangs":  {func(w *world) { w.Route("auth.example.test", lab.Hang) }, connects},
		"closes": {func(w *world) { w.Route("auth.example.test", lab.Drop) }, connects},
		"503":    {func(w *world) { w.front.down.Store(503) }, func(w *world) int { return int(w.front.asked.Load()) }},
	}
}

// connects is how often somebody tried to reach the authorization server.
func connects(w *world) int {
	n := 0
	for _, c := range w.Connects() {
		if c.Target == "auth.example.test:443" {
			n++
		}
	}
	return n
}

// life is that of the token: it is due for renewal after half of it.
const life = 40 * time.Second

// TestOutage_O023: the token endpoint is down. While the old token is good
// nobody notices, and there is one attempt in the minute. Afterwards the child
// is told at once, and there is none either.
func TestOutage_O023(t *testing.T) {
	t.Parallel()
	for name, down := range outages() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.server.lifetime(t, w.client.id, int(life.Seconds()))
			w.login(t)
			issued := time.Now()

			time.Sleep(time.Until(issued.Add(life/2 + 500*time.Millisecond)))
			w.Reset()
			down.begin(w)
			w.unnoticed(t, issued)
			equal(t, "attempts", down.attempts(w), 1)
			if name == "hangs" {
				return // later requests wait for their own attempt, half a minute
			}

			time.Sleep(time.Until(issued.Add(life + 500*time.Millisecond)))
			for _, u := range w.used(t, 10) {
				equal(t, "an answer", u.Said, "502 refresh_failed")
			}
			equal(t, "attempts", down.attempts(w), 1)
			equal(t, "status", w.status(t, "example"), "connected")
			w.server.alive(t, "the grant", w.server.last(t, w.client.id, "RefreshToken"), true)
		})
	}
}

// unnoticed fails the test unless requests go on with a token as if nothing
// had happened.
func (w *world) unnoticed(t *testing.T, issued time.Time) {
	t.Helper()
	all := w.used(t, 40)
	if all[len(all)-1].At.After(issued.Add(life)) {
		t.Fatal("the token has expired meanwhile, which proves nothing")
	}
	for _, u := range all {
		equal(t, "an answer", u.Said, "200")
		if u.Took > 5*time.Second { // who waits for a token endpoint that hangs waits half a minute
			t.Errorf("a request took %v", u.Took)
		}
	}
}

// used runs use and returns what it said.
func (w *world) used(t *testing.T, n int) []usage {
	t.Helper()
	r := finish(t, with(w.cmd(t, "run", "--", self(t), strconv.Itoa(n)), childVariable+"=user"))
	if r.code != 0 {
		t.Fatalf("run: %s", r)
	}
	var all []usage
	for decoder := json.NewDecoder(strings.NewReader(r.stdout)); ; {
		var u usage
		if err := decoder.Decode(&u); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(fmt.Errorf("%w: %s", err, r.stdout))
		}
		all = append(all, u)
	}
	equal(t, "requests", len(all), n)
	return all
}

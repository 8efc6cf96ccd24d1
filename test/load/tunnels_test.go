//go:build linux

package load_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"testing"
	"time"
)

// crowd opens n tunnels, some at a time.
func (r *run) crowd(n int) []*tunnel {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	tunnels, errs := make([]*tunnel, n), make([]error, n)
	next := make(chan int)
	var group sync.WaitGroup
	for range 32 {
		group.Go(func() {
			for i := range next {
				tunnels[i], errs[i] = r.tunnel(ctx, apiHost, "http/1.1")
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		r.t.Fatalf("opening %d tunnels: %.500v", n, err)
	}
	r.t.Cleanup(func() { closeAll(tunnels) })
	return tunnels
}

func closeAll(tunnels []*tunnel) {
	for _, c := range tunnels {
		_ = c.Close()
	}
}

// ask makes a request on each tunnel every so often, for a time. The first are
// spread over the interval. It returns how long they took, sorted.
func (r *run) ask(tunnels []*tunnel, every, lasting time.Duration) []time.Duration {
	r.t.Helper()
	var mu sync.Mutex
	var took []time.Duration
	var failed []error
	var group sync.WaitGroup
	end := time.Now().Add(lasting)
	for i, c := range tunnels {
		group.Go(func() {
			time.Sleep(every * time.Duration(i) / time.Duration(len(tunnels)))
			for time.Now().Before(end) {
				begin := time.Now()
				body, err := c.get(apiHost, "/", patience)
				if err == nil && body != "hello" {
					err = errors.New("answer " + body)
				}
				mu.Lock()
				took, failed = append(took, time.Since(begin)), append(failed, err)
				mu.Unlock()
				if err != nil {
					return
				}
				time.Sleep(time.Until(begin.Add(every)))
			}
		})
	}
	group.Wait()
	if err := errors.Join(failed...); err != nil {
		r.t.Errorf("%d requests, errors: %.500v", len(took), err)
	}
	slices.Sort(took)
	return took
}

// gone checks that every tunnel has ended.
func gone(t *testing.T, tunnels []*tunnel) {
	t.Helper()
	for i, c := range tunnels {
		_ = c.SetReadDeadline(time.Now().Add(patience))
		_, err := c.Read(make([]byte, 1))
		if timeout, ok := errors.AsType[net.Error](err); err == nil || ok && timeout.Timeout() {
			t.Fatalf("tunnel %d is there after the run: %v", i, err)
		}
	}
}

// leave is how long authsome may last after its child: the drain time is 2 s,
// the rest is the machine's.
func leave() time.Duration { return size(20*time.Second, 2*time.Second) }

func TestTunnels(t *testing.T) {
	for _, test := range []struct {
		name           string
		n              int
		every, lasting time.Duration
		most           float64 // MiB
		env            []string
	}{
		{"F003_many", size(500, 8000), size(time.Second, 10*time.Second), size(4*time.Second, time.Minute), size(150.0, 1000.0), nil},
		{"F006_little_memory", 500, time.Second, size(3*time.Second, time.Minute), 150, []string{"GOMEMLIMIT=64MiB"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			r := w.start(t, "", test.env...)
			before := r.memory()
			tunnels := r.crowd(test.n)
			opened := r.memory()
			took := r.ask(tunnels, test.every, test.lasting)
			after := r.memory()
			if len(took) < test.n {
				t.Errorf("%d requests on %d tunnels", len(took), test.n)
			}
			if after > test.most {
				t.Errorf("resident set of %.0f MiB", after)
			}
			connections := w.conns.Load()
			lasted := r.end()
			gone(t, tunnels)
			if lasted > leave() {
				t.Errorf("authsome ended %v after its child", lasted)
			}
			t.Logf("%d tunnels, %d requests, p50 %v, p99 %v; %d upstream connections; %.0f MiB before, %.0f open (%.1f MiB/1000), %.0f after (%.1f MiB/1000); ended after %v",
				test.n, len(took), took[len(took)/2], took[len(took)*99/100], connections,
				before, opened, (opened-before)*1000/float64(test.n), after, (after-before)*1000/float64(test.n), lasted)
		})
	}
}

// Idle tunnels end with the run, at once, however many.
func TestIdle_H024(t *testing.T) {
	w := newWorld(t)
	r := w.start(t, "")
	n := size(500, 9500)
	before := r.memory()
	tunnels := r.crowd(n)
	after := r.memory()
	lasted := r.end()
	gone(t, tunnels)
	if lasted > leave() {
		t.Errorf("authsome ended %v after its child", lasted)
	}
	t.Logf("%d idle tunnels: %.1f MiB/1000; ended after %v", n, (after-before)*1000/float64(n), lasted)
}

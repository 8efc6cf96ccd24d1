//go:build !race

package proxy

import (
	"runtime"
	"testing"
)

// TestIdleStack: what a tunnel needed to begin, and for its requests, is not
// kept while it is idle.
func TestIdleStack(t *testing.T) {
	const tunnels, most = 64, 12 << 10
	l := newLab(t, nil)
	l.raw("alpha.test:443", nil, nil)
	before := 0
	for i := range tunnels + 1 {
		c := l.tunnel("alpha.test")
		c.say("GET / HTTP/1.1\nHost: alpha.test\n\n")
		if a := c.answer("GET"); a.StatusCode != 200 {
			t.Fatalf("%d %s", a.StatusCode, a.body)
		}
		if i == 0 {
			before = stackInUse()
		}
	}
	if each := (stackInUse() - before) / tunnels; each > most {
		t.Errorf("%d bytes of stack for an idle tunnel", each)
	}
}

// stackInUse is what stacks take when the collector has shrunk them.
func stackInUse() int {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.StackInuse)
}

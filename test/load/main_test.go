//go:build linux

// Package load drives the real authsome binary with many connections, with
// connections that come and go, without descriptors and memory, with processes
// that stand still, and for a long time.
//
// What CI runs is small. `make load` runs the full sizes, which take some
// twenty minutes and want 20,000 descriptors; LOAD_SOAK sets the length of the
// soak. Figures are printed with -v. No test asks how fast something is, but
// for the end of a run, which has a limit of its own.
package load_test

import (
	"fmt"
	"os"
	"testing"
	"time"
)

// upstreamVariable makes the test binary an upstream in a process of its own,
// with the files of the folder that it names.
const upstreamVariable = "LOAD_UPSTREAM"

func TestMain(m *testing.M) {
	if dir := os.Getenv(upstreamVariable); dir != "" {
		if err := serveAlone(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// full reports whether the sizes are those of the requirements.
func full() bool { return os.Getenv("LOAD_FULL") != "" }

// size is the one of the two that is wanted.
func size[T any](ci, whole T) T {
	if full() {
		return whole
	}
	return ci
}

// soakTime is how long the soak takes.
func soakTime(t *testing.T) time.Duration {
	text := os.Getenv("LOAD_SOAK")
	if text == "" {
		return size(15*time.Second, 10*time.Minute)
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal("LOAD_SOAK: ", err)
	}
	return d
}

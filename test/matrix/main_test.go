//go:build linux

// Package matrix runs many client programs, each making one request to its
// real host through the real authsome binary, and takes the verdict from the
// upstream's log.
//
// The clients run in a network namespace with nothing but loopback: a client
// that goes around the proxy finds a trap behind every name. They are run by
// workers, which are the test binary started anew in such a namespace.
package matrix_test

import (
	"fmt"
	"os"
	"testing"
)

// workerVariable makes the test binary a worker in the world of that name.
const workerVariable = "MATRIX_WORLD"

func TestMain(m *testing.M) {
	name := os.Getenv(workerVariable)
	if name == "" {
		os.Exit(m.Run())
	}
	if err := work(name); err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		os.Exit(1)
	}
}

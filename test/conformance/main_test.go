//go:build linux

// Package conformance runs the test suites that others wrote for protocols
// against the real authsome binary: the suite's program is a client of the
// proxy, directly under `authsome run` or by way of an adapter for programs
// that know no proxies. The world around the binary is test/lab.
//
// What is no Debian package is pinned in the module tools and built by deps.
package conformance_test

import (
	"os"
	"path/filepath"
	"testing"
)

// full is set for the long versions of the suites, which take minutes.
func full() bool { return os.Getenv("CONFORMANCE_FULL") != "" }

// tool is the path of a program that deps has built.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("tools", "bin", name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v: run test/conformance/deps", err)
	}
	return path
}

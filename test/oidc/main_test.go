//go:build linux

// Package oidc drives the real authsome binary through every OAuth flow
// against a certified authorization server that none of us wrote, npm
// oidc-provider, and against what a hostile one, a hostile process on this
// machine and kill -9 can do to a login and a refresh.
//
// The server runs once for all tests, see server; each test has a lab of its
// own whose auth.example.test leads to it and whose api.example.test accepts
// the tokens it calls active, see world. The human is a scripted browser.
package oidc_test

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

// childVariable makes the test binary one of the children.
const childVariable = "OIDC_CHILD"

// children are the programs the test binary can be.
func children() map[string]func() error {
	return map[string]func() error{
		"browser": browseAndReport,
		"crowd":   crowd,
		"user":    use,
	}
}

func TestMain(m *testing.M) {
	name := os.Getenv(childVariable)
	if name == "" {
		// Most tests wait for a token to expire, most of the time.
		flag.Parse()
		if err := flag.Set("test.parallel", "32"); err != nil {
			panic(err)
		}
		os.Exit(m.Run())
	}
	child, ok := children()[name]
	if !ok {
		fmt.Fprintf(os.Stderr, "no child %q\n", name)
		os.Exit(2)
	}
	if err := child(); err != nil {
		fmt.Fprintln(os.Stderr, name+":", err)
		os.Exit(1)
	}
}

//go:build linux

// Package pages shows the pages of the real authsome binary to a real browser,
// headless Chromium: the form that asks for a key where there is no terminal,
// and what the redirect endpoint of a login tells the human.
//
// The browser that authsome starts is this test binary, which notes the
// address; node/drive.mjs then opens it in Chromium, does what the test says
// and reports what was there to see. With -update the pictures of docs/images
// are taken anew.
package pages_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"testing"
)

// visitsVariable makes the test binary a browser that appends the address it
// is started with to a file.
const visitsVariable = "PAGES_VISITS"

var update = flag.Bool("update", false, "take the pictures in docs/images anew")

func TestMain(m *testing.M) {
	file := os.Getenv(visitsVariable)
	if file == "" {
		os.Exit(m.Run())
	}
	if err := visit(file); err != nil {
		fmt.Fprintln(os.Stderr, "browser:", err)
		os.Exit(1)
	}
}

func visit(file string) error {
	if len(os.Args) != 2 {
		return fmt.Errorf("want an address, not %d arguments", len(os.Args)-1)
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(f, os.Args[1])
	return errors.Join(err, f.Close())
}

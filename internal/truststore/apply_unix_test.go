//go:build unix

package truststore

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// local is this machine with a home of its own, and the certificate's file.
func local(t *testing.T) (System, Cert) {
	t.Helper()
	home := t.TempDir()
	c := mustCert(t, home)
	if err := os.WriteFile(c.File, c.PEM, 0o600); err != nil {
		t.Fatal(err)
	}
	return Local("linux", home, "/nonexistent", os.Environ()), c
}

func program(t *testing.T, argv ...string) string {
	t.Helper()
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v: %s", argv, err, out)
	}
	return string(out)
}

// TestNSS changes real databases of NSS with its own certutil.
func TestNSS(t *testing.T) {
	s, c := local(t)
	for _, folder := range []string{".pki/nssdb", ".mozilla/firefox/x.default-release"} {
		dir := filepath.Join(s.Home, folder)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		program(t, "certutil", "-N", "-d", "sql:"+dir, "--empty-password")
	}
	targets, err := Find(s, c, []string{"chromium", "firefox"})
	if err != nil || len(targets) != 2 {
		t.Fatalf("%d databases found: %v", len(targets), err)
	}
	for _, target := range targets {
		t.Run(target.Store, func(t *testing.T) {
			content := func() string { // all that the databases hold; the files count their changes
				return program(t, "python3", "-c", `
import sqlite3, sys
for name in ("cert9", "key4"):
    print(*sqlite3.connect(sys.argv[1] + "/" + name + ".db").iterdump(), sep="\n")`, target.Where)
			}
			before := content()
			has := func() bool { return target.Has(t.Context(), s, c) }
			if has() {
				t.Fatal("there before it was added")
			}
			for range 2 { // adding again is no error
				if err := Apply(t.Context(), s, c, target.Add); err != nil || !has() {
					t.Fatalf("added: %v, there: %v", err, has())
				}
			}
			listed := strings.Fields(program(t, "certutil", "-L", "-d", "sql:"+target.Where))
			if diff := cmp.Diff([]string{name, "C,,"}, listed[len(listed)-2:]); diff != "" {
				t.Errorf("trust: %s", diff)
			}
			if err := Apply(t.Context(), s, c, target.Delete); err != nil || has() {
				t.Fatalf("deleted: %v, there: %v", err, has())
			}
			if diff := cmp.Diff(before, content()); diff != "" {
				t.Errorf("left over: %s", diff)
			}
		})
	}
}

func TestApply(t *testing.T) {
	s, c := local(t)
	file := filepath.Join(s.Home, "anchors", "x.crt")
	target := Target{Check: Check{File: file}, Own: file}
	if err := Apply(t.Context(), s, c, []Step{{Write: file}}); err == nil {
		t.Error("written into a folder that is not there")
	}
	if err := os.Mkdir(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Apply(t.Context(), s, c, []Step{{Write: file}, {Run: []string{"true"}}}); err != nil || !target.Has(t.Context(), s, c) {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	other := mustCert(t, s.Home)
	if target.Has(t.Context(), s, other) || !target.Traces(t.Context(), s, other) {
		t.Error("another certificate is taken for this one, or its file for no trace")
	}
	marker := filepath.Join(s.Home, "marker")
	err := Apply(t.Context(), s, c, []Step{{Run: []string{"sh", "-c", "echo out of luck >&2; exit 3"}}, {Run: []string{"touch", marker}}})
	if err == nil || !strings.Contains(err.Error(), "out of luck") {
		t.Errorf("%v, want what the command said", err)
	}
	if _, err := os.Stat(marker); err == nil {
		t.Error("it went on after a failure")
	}
	if err := Apply(t.Context(), s, c, []Step{{Run: []string{"no-such-program"}}}); err == nil {
		t.Error("a program that is not there is no error")
	}
	for range 2 { // removing again is no error
		if err := Apply(t.Context(), s, c, []Step{{Remove: file}}); err != nil || target.Traces(t.Context(), s, c) {
			t.Errorf("removed: %v", err)
		}
	}
	if left, _ := os.ReadDir(filepath.Dir(file)); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Apply(ctx, s, c, []Step{{Run: []string{"sleep", "600"}}}); err == nil {
		t.Error("it does not stop when it is told to")
	}
}

// TestShell: the line does what Apply would, whatever the paths look like.
func TestShell(t *testing.T) {
	s, c := local(t)
	odd := filepath.Join(s.Home, `it's $(touch pwned) "x" *`)
	if err := os.Mkdir(odd, 0o700); err != nil {
		t.Fatal(err)
	}
	c.File = filepath.Join(odd, "from")
	if err := os.WriteFile(c.File, c.PEM, 0o600); err != nil {
		t.Fatal(err)
	}
	to, gone := filepath.Join(odd, "to"), filepath.Join(odd, "gone")
	if err := os.WriteFile(gone, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	program(t, "sh", "-c", Shell(c, []Step{{Write: to}, {Remove: gone}, {Run: []string{"touch", filepath.Join(odd, "ran")}}}, ""))
	entries, err := os.ReadDir(odd)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if diff := cmp.Diff([]string{"from", "ran", "to"}, names); diff != "" {
		t.Error(diff)
	}
	if data, err := os.ReadFile(to); err != nil || string(data) != string(c.PEM) {
		t.Errorf("%q, %v", data, err)
	}
	want := "sudo install -m 0644 /h/a.pem /x/a.crt && sudo update '' 'a b'"
	c.File = "/h/a.pem"
	if got := Shell(c, []Step{{Write: "/x/a.crt"}, {Run: []string{"update", "", "a b"}}}, "sudo "); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

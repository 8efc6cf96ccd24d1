package child

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestRecognizeScripts: what a file's name and first line say.
func TestRecognizeScripts(t *testing.T) {
	for _, c := range []struct{ name, content, kind, by, options string }{
		{"agent", "#!/usr/bin/python3 -I\n", "python", "/usr/bin/python3", "-I"},
		{"agent", "#!/usr/bin/env node\n", "node", "node", ""},
		{"agent", "#! /usr/bin/env -S A=1 deno run --allow-all\n", "deno", "deno", "run --allow-all"},
		{"agent", "#!/bin/bash", "shell", "/bin/bash", ""},
		{"agent", "#!/opt/own/interpreter\n", "unknown", "/opt/own/interpreter", ""},
		{"agent", "#!\n", "unknown", "", ""},
		{"agent", "#!/usr/bin/env\n", "unknown", "", ""},
		{"agent", "", "unknown", "", ""},
		{"agent", "\x7fELF\x02\x01\x01", "unknown", "", ""},
		{"agent", "MZ\x90\x00", "unknown", "", ""},
		{"curl", "#!/bin/sh\n", "curl", "", ""},
		{"python3.11", "", "python", "", ""},
		{"Node.EXE", "", "node", "", ""},
		{"aria2c", "", "uncovered", "", ""},
		{"sudo", "", "sudo", "", ""},
		{"docker", "", "elsewhere", "", ""},
		{"2", "", "unknown", "", ""},
	} {
		path := filepath.Join(t.TempDir(), c.name)
		if err := os.WriteFile(path, []byte(c.content), 0o700); err != nil { //nolint:gosec // a program
			t.Fatal(err)
		}
		r := Recognize(path)
		got := []string{r.ID, r.By, strings.Join(r.Options, " ")}
		if diff := cmp.Diff([]string{c.kind, c.by, c.options}, got); diff != "" {
			t.Errorf("%s %q: %s", c.name, c.content, diff)
		}
	}
	if got := Recognize(filepath.Join(t.TempDir(), "gone")).ID; got != "unknown" {
		t.Errorf("no file: %s", got)
	}
}

// TestRecognizeGo: this very test was built with Go.
func TestRecognizeGo(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "agent")
	if err := os.Symlink(self, link); err != nil {
		t.Fatal(err)
	}
	version, _, _ := strings.Cut(runtime.Version(), " ")
	if r := Recognize(link); r.ID != "go" || r.Version != version {
		t.Errorf("%s %s, want go %s", r.ID, r.Version, version)
	}
}

// TestNativeKind: what libraries and names inside say.
func TestNativeKind(t *testing.T) {
	for _, c := range []struct {
		libraries, marks []string
		want             string
	}{
		{[]string{"libcurl-gnutls.so.4", "libssl.so.3"}, nil, "libcurl-gnutls"},
		{[]string{"libcurl.so.4"}, nil, "libcurl"},
		{[]string{"/usr/lib/libcurl.4.dylib"}, nil, "libcurl"},
		{[]string{"libgnutls.so.30"}, nil, "gnutls"},
		{[]string{"libssl.so.3", "libgnutls.so.30"}, nil, "openssl"},
		{[]string{"libnss3.so"}, nil, "nss"},
		{nil, []string{markRustls, markAuthority}, "rustls-bundled"},
		{nil, []string{markRustls, markAuthority, markVariable}, "rustls"},
		{nil, []string{markRustls}, "rustls"},
		{nil, []string{markAuthority}, "unknown"},
		{nil, []string{markNode, markVariable}, "node"},
		{nil, []string{markNode, markBun}, "bun"},
		{nil, []string{markRustls, markDeno, markNode}, "deno"},
	} {
		marks := map[string]bool{}
		for _, m := range c.marks {
			marks[m] = true
		}
		if got := nativeKind(c.libraries, marks); got != c.want {
			t.Errorf("%v %v: %s, want %s", c.libraries, c.marks, got, c.want)
		}
	}
}

// TestFindMarks: a mark across the border of two blocks is found.
func TestFindMarks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent")
	content := strings.Repeat("x", 1<<20-3) + markRustls + strings.Repeat("y", 1<<20) + markAuthority
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	found := findMarks(path)
	if !found[markRustls] || !found[markAuthority] || found[markBun] {
		t.Errorf("%v", found)
	}
}

// TestPrograms: every row is whole, no name has two kinds, and every variable
// is one that a run sets.
func TestPrograms(t *testing.T) {
	var set []string
	for _, v := range Variables() {
		set = append(set, v.Names...)
	}
	kinds := map[string]string{}
	for _, p := range Programs() {
		if p.ID == "" || p.Title == "" || p.Unserved && (p.Limits == "" || p.Cover == "") || !p.Unserved && len(p.Variables) == 0 {
			t.Errorf("%+v", p)
		}
		for _, name := range append(slices.Clone(p.Names), "id "+p.ID) {
			if kinds[name] != "" {
				t.Errorf("%s is %s and %s", name, kinds[name], p.ID)
			}
			kinds[name] = p.ID
		}
		for _, v := range p.Variables {
			if !slices.Contains(set, v) {
				t.Errorf("%s: no run sets %s", p.ID, v)
			}
		}
	}
}

package provider

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write builtin.hosts from the definitions")

// TestHostIndex: what is written down about the bundled definitions is what
// they say.
func TestHostIndex(t *testing.T) {
	r, _, err := Load("")
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	for _, def := range r.All() {
		want.WriteString(strings.Join(append([]string{def.Name}, def.hosts()...), " ") + "\n")
	}
	if *update {
		if err := os.WriteFile("builtin.hosts", []byte(want.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want.String(), hostIndex); diff != "" {
		t.Fatalf("builtin.hosts is stale; run: go test ./internal/provider -run TestHostIndex -update\n%s", diff)
	}
}

// TestHosts: all hosts together are what a table of all definitions claims.
func TestHosts(t *testing.T) {
	r, _, err := Load("")
	if err != nil {
		t.Fatal(err)
	}
	var entries []Entry
	for _, def := range r.All() {
		entries = append(entries, Entry{def.Name, def})
	}
	all := func(string) bool { return true }
	if diff := cmp.Diff(NewTable(entries).Patterns(), r.Hosts(all)); diff != "" {
		t.Fatal(diff)
	}
	none := func(string) bool { return false }
	if hosts := r.Hosts(none); len(hosts) != 0 {
		t.Fatalf("got %v", hosts)
	}
}

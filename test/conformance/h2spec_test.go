//go:build linux

package conformance_test

import (
	"encoding/xml"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// knownFailures are the cases that golang.org/x/net/http2 fails when it serves
// a client directly, too: it answers 400 where h2spec wants the stream reset,
// takes frames of 1 MiB, and closes a connection at once for a window beyond
// its limit.
var knownFailures = []string{
	"http2/4.2/3", "http2/6.5.3/1", "http2/8.1.2.2/1", "http2/8.1.2.2/2",
}

// report is what h2spec says in JUnit's XML.
type report struct {
	Suites []struct {
		Package string `xml:"package,attr"`
		Cases   []struct {
			Failure *struct{} `xml:"failure"`
			Error   *struct{} `xml:"error"`
		} `xml:"testcase"`
	} `xml:"testsuite"`
}

// read returns how many cases there were and which of them failed, as
// section/number.
func (r *report) read(t *testing.T, path string) (cases int, failed []string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err == nil {
		err = xml.Unmarshal(text, r)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, suite := range r.Suites {
		for i, c := range suite.Cases {
			cases++
			if c.Failure != nil || c.Error != nil {
				failed = append(failed, suite.Package+"/"+strconv.Itoa(i+1))
			}
		}
	}
	return cases, failed
}

func TestH2spec(t *testing.T) {
	t.Run("2001_through_a_tunnel", func(t *testing.T) {
		ln, port := listen(t)
		w := newWorld(t, "https://"+host+":"+port)
		w.start(t).adapt(t, ln, host+":"+port, nil)
		path := filepath.Join(w.Dir(), "h2spec.xml")
		out, err := exec.CommandContext(t.Context(), tool(t, "h2spec"), host, port, path).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		cases, failed := new(report).read(t, path)
		failed = slices.DeleteFunc(failed, func(name string) bool { return slices.Contains(knownFailures, name) })
		if cases != 145 || len(failed) > 0 {
			t.Errorf("%d cases, failed beyond the known ones: %s\n%s", cases, cmp.Diff([]string(nil), failed), out)
		}
		if len(w.Requests()) == 0 {
			t.Error("no request reached the upstream")
		}
	})
}

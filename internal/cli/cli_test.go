package cli

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A start of run builds no other command: what run tells must not show it.
func TestRunAlone(t *testing.T) {
	output := func(args ...string) string {
		t.Helper()
		var out bytes.Buffer
		a := &app{sys: System{Args: args}, stdout: &checkedWriter{w: &out}}
		root := a.root()
		root.SetArgs(args)
		if err := root.Execute(); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	want := output("help", "run")
	for _, args := range [][]string{{"run", "--help"}, {"--quiet", "run", "--help"}, {"run", "-h", "--", "login"}} {
		if diff := cmp.Diff(want, output(args...)); diff != "" {
			t.Errorf("%q: %s", args, diff)
		}
	}
}

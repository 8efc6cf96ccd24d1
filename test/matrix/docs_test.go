//go:build linux

package matrix_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const docsPage = "../../docs/clients.md"

var update = flag.Bool("update", false, "write the table of clients into the docs")

// TestDocsMatrix: the page shows the table, which TestMatrix checks. go test
// ./test/matrix -run TestDocsMatrix -update writes it.
func TestDocsMatrix(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(docsPage)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- matrix -->\n", "<!-- end of matrix -->"
	before, rest, ok := strings.Cut(string(data), begin)
	shown, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatal("the page has no place for the table")
	}
	want := matrixTable()
	if *update {
		if err := os.WriteFile(docsPage, []byte(before+begin+want+end+after), 0o644); err != nil { //nolint:gosec // a page
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, shown); diff != "" {
		t.Errorf("the table is not clients; run with -update:\n%s", diff)
	}
}

func matrixTable() string {
	all := clients()
	served := 0
	var rows strings.Builder
	for i, c := range all {
		if i == 0 || c.Kind != all[i-1].Kind {
			fmt.Fprintf(&rows, "\n### %s\n\n| client | from | by | a run serves it |\n|---|---|---|---|\n", c.Kind)
		}
		verdict := "yes"
		if c.Want == "" {
			served++
		} else {
			verdict = fmt.Sprintf("no: %s; do: %s", c.Want, c.Cover)
		}
		fmt.Fprintf(&rows, "| %s | %s | %s | %s |\n", c.Name, c.From, c.By, verdict)
	}
	return fmt.Sprintf("\n%d clients, of which a run serves %d.\n%s\n", len(all), served, rows.String())
}

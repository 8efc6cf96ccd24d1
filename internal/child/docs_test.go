package child

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const docsPage = "../../docs/clients.md"

var update = flag.Bool("update", false, "write the table of variables into the docs")

// TestDocsVariables: the page shows the table. go test ./internal/child -run
// TestDocsVariables -update writes it.
func TestDocsVariables(t *testing.T) {
	data, err := os.ReadFile(docsPage)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- variables -->\n", "<!-- end of variables -->"
	before, rest, ok := strings.Cut(string(data), begin)
	shown, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatal("the page has no place for the table")
	}
	want := variablesTable()
	if *update {
		if err := os.WriteFile(docsPage, []byte(before+begin+want+end+after), 0o644); err != nil { //nolint:gosec // a page
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, shown); diff != "" {
		t.Errorf("the table is not Variables; run with -update:\n%s", diff)
	}
}

func variablesTable() string {
	text := "\n| variable | set to | for | known |\n|---|---|---|---|\n"
	for _, v := range Variables() {
		value := map[Kind]string{
			Proxy: "the proxy's URL", NoProxy: "your entries and the loopback names", Bundle: "`bundle.pem`", Root: "`ca.pem`",
			Literal: "`" + v.Value + "`", GODEBUG: "yours, `" + v.Value + "`", GitConfig: "yours and `http.proxy`",
			NodeOptions: "yours, as `node --require …/shim.cjs`", BunOptions: "yours, as `bun --preload=…/shim.cjs`", PythonPath: "`…/py`, yours",
			JavaOptions: "yours, proxy and `trust.p12`", PHPFolder: "yours, `…/php`", Wgetrc: "your file's lines, and the run's", Unset: "unset",
		}[v.Kind]
		where := ""
		if len(v.OS) > 0 {
			where = " (" + strings.Join(v.OS, ", ") + ")"
		}
		text += fmt.Sprintf("| `%s`%s | %s | %s | %s |\n", strings.Join(v.Names, "` `"), where, value, v.Why, v.Source)
	}
	return text + "\n"
}

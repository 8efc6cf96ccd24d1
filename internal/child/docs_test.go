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

var update = flag.Bool("update", false, "write the tables into the docs")

// TestDocsTables: the page shows the tables. go test ./internal/child -run
// TestDocsTables -update writes them.
func TestDocsTables(t *testing.T) {
	data, err := os.ReadFile(docsPage)
	if err != nil {
		t.Fatal(err)
	}
	page := string(data)
	for name, want := range map[string]string{"variables": variablesTable(), "programs": programsTable()} {
		begin, end := "<!-- "+name+" -->\n", "<!-- end of "+name+" -->"
		before, rest, ok := strings.Cut(page, begin)
		shown, after, ok2 := strings.Cut(rest, end)
		if !ok || !ok2 {
			t.Fatalf("the page has no place for the table of %s", name)
		}
		if diff := cmp.Diff(want, shown); diff != "" && !*update {
			t.Errorf("the table of %s is not the program's; run with -update:\n%s", name, diff)
		}
		page = before + begin + want + end + after
	}
	if *update {
		if err := os.WriteFile(docsPage, []byte(page), 0o644); err != nil { //nolint:gosec // a page
			t.Fatal(err)
		}
	}
}

func programsTable() string {
	text := "\n| kind | recognized by | served by | what a run can't do | then |\n|---|---|---|---|---|\n"
	for _, p := range Programs() {
		names, variables := "its file", "–"
		if len(p.Names) > 0 {
			names = "`" + strings.Join(p.Names, "` `") + "`"
		}
		if len(p.Variables) > 0 {
			variables = "`" + strings.Join(p.Variables, "` `") + "`"
		}
		if p.Unserved {
			variables = "not: " + variables
		}
		text += fmt.Sprintf("| %s | %s | %s | %s | %s |\n", p.Title, names, variables, p.Limits, p.Cover)
	}
	return text + "\n"
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

package authsome_test

import (
	"go/ast"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"authsome/internal/login"
	"authsome/internal/provider"
	"authsome/test/lab"
)

// page is one page of the documentation.
type page struct {
	path  string // slash-separated, from the root
	text  string
	later string // the section "Not yet", which is cut from text
}

// pages are README.md and its neighbours, and everything in docs.
func pages(t *testing.T) []page {
	t.Helper()
	paths := []string{"README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "docs/llms.txt", "skills/authsome/SKILL.md"}
	docs, err := filepath.Glob("docs/*.md")
	if err != nil || len(docs) == 0 {
		t.Fatalf("no docs: %v", err)
	}
	var all []page
	for _, path := range append(paths, docs...) {
		p := page{path: filepath.ToSlash(path), text: readPage(t, path)}
		if before, rest, ok := strings.Cut(p.text, "\n## Not yet\n"); ok {
			section, after, _ := strings.Cut(rest, "\n## ")
			p.text, p.later = before+"\n## "+after, section
		}
		all = append(all, p)
	}
	return all
}

func readPage(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestDocsInvariants: each invariant names tests, and they exist.
func TestDocsInvariants(t *testing.T) {
	exists := testNames(t)
	statement := regexp.MustCompile(`(?m)^\*\*I(\d+)\.\*\* .*$`)
	found := map[string]bool{}
	for _, m := range statement.FindAllStringSubmatch(readPage(t, "docs/security.md"), -1) {
		found[m[1]] = true
		proofs := regexp.MustCompile("`((?:Test|Fuzz)\\w+)`").FindAllStringSubmatch(m[0], -1)
		if len(proofs) == 0 {
			t.Errorf("I%s names no test", m[1])
		}
		for _, proof := range proofs {
			if !exists[proof[1]] {
				t.Errorf("I%s is proved by %s, which does not exist", m[1], proof[1])
			}
		}
	}
	want := []string{"1", "10", "2", "3", "4", "5", "6", "7", "8", "9"}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(found))); diff != "" {
		t.Errorf("invariants (-want +got):\n%s", diff)
	}
}

// testNames are the functions of the tree that `go test` runs.
func testNames(t *testing.T) map[string]bool {
	names := map[string]bool{}
	files, _ := parseTree(t)
	for _, f := range files {
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && f.test && fn.Recv == nil {
				names[fn.Name.Name] = true
			}
		}
	}
	return names
}

// TestDocsLinks: relative links lead somewhere, and the index has every page.
func TestDocsLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	linked := map[string]map[string]bool{}
	for _, p := range pages(t) {
		linked[p.path] = map[string]bool{}
		for _, m := range link.FindAllStringSubmatch(p.text, -1) {
			target, _, _ := strings.Cut(m[1], "#")
			if target == "" || strings.Contains(target, "://") {
				continue
			}
			target = filepath.ToSlash(filepath.Join(filepath.Dir(p.path), target))
			linked[p.path][target] = true
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s: %v", p.path, m[1], err)
			}
		}
	}
	for path := range linked {
		if path != "docs/llms.txt" && !linked["docs/llms.txt"][path] {
			t.Errorf("docs/llms.txt does not list %s", path)
		}
	}
}

// TestDocsImportTable: the table and the tree of docs/architecture.md are the
// table of arch_test.go and the tree there is.
func TestDocsImportTable(t *testing.T) {
	text := readPage(t, "docs/architecture.md")
	_, rest, _ := strings.Cut(text, "| package |")
	table, _, _ := strings.Cut(rest, "\n\n")
	rows := strings.Split(table, "\n") // the first two are the heading
	if len(rows) < 3 {
		t.Fatal("docs/architecture.md has no import table")
	}
	got := map[string][]string{}
	for _, row := range rows[2:] {
		cells := strings.Split(row, "|")
		for _, name := range names(cells[1]) {
			got[name] = names(cells[2])
			if got[name][0] == "all" {
				got[name] = slices.DeleteFunc(slices.Sorted(maps.Keys(mayImport)), func(s string) bool { return s == name })
			}
		}
	}
	want := map[string][]string{}
	for name, imports := range mayImport {
		want[name] = slices.Sorted(slices.Values(imports))
		if len(imports) == 0 {
			want[name] = []string{"–"}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("import table (-arch_test.go +docs/architecture.md):\n%s", diff)
	}
	entries, err := os.ReadDir("internal")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if !strings.Contains(text, "── "+entry.Name()+"/") {
			t.Errorf("the tree of docs/architecture.md lacks internal/%s", entry.Name())
		}
	}
}

// names splits a cell "a, b" and sorts.
func names(cell string) []string {
	words := strings.Split(strings.TrimSpace(cell), ", ")
	slices.Sort(words)
	return words
}

// TestDocsFirstCommands: a reader's first block of code is two commands.
func TestDocsFirstCommands(t *testing.T) {
	_, rest, _ := strings.Cut(readPage(t, "README.md"), "```sh\n")
	block, _, ok := strings.Cut(rest, "```")
	var commands []string
	for _, line := range strings.Split(strings.TrimSpace(block), "\n") {
		commands = append(commands, uncommented(line))
	}
	if diff := cmp.Diff([]string{"go run ./cmd/authsome demo", "make test"}, commands); diff != "" || !ok {
		t.Errorf("first block of README.md (-want +got):\n%s", diff)
	}
}

// TestDocsCommands: every command and flag that a page mentions exists, and
// none of those that it calls not yet there.
func TestDocsCommands(t *testing.T) {
	root := loadCommand(t, lab.Build(t))
	targets := regexp.MustCompile(`(?m)^([a-z]+):`).FindAllStringSubmatch(readPage(t, "Makefile"), -1)
	checked := 0
	for _, p := range pages(t) {
		for _, code := range codes(p.text) {
			n, problems := root.check(code)
			checked += n
			for _, problem := range append(problems, checkMake(code, targets)...) {
				t.Errorf("%s: %s: in %q", p.path, problem, code)
			}
		}
		for _, code := range codes(p.later) {
			if n, problems := root.check(code); n > 0 && len(problems) == 0 {
				t.Errorf("%s says that %q is not there yet; it is", p.path, code)
			}
		}
	}
	if checked < 150 {
		t.Errorf("only %d commands and flags were found", checked)
	}
}

// codes are the lines of code blocks and the code spans of a page.
func codes(text string) []string {
	var all []string
	for i, part := range strings.Split("\n"+text, "\n```") {
		if i%2 == 1 {
			all = append(all, strings.Split(part, "\n")[1:]...)
			continue
		}
		for _, m := range regexp.MustCompile("`([^`\n]+)`").FindAllStringSubmatch(part, -1) {
			all = append(all, m[1])
		}
	}
	return all
}

// uncommented is a line of shell without its comment.
func uncommented(line string) string {
	code, _, _ := strings.Cut(line, " #")
	return strings.TrimSpace(code)
}

func checkMake(code string, targets [][]string) (problems []string) {
	words := strings.Fields(uncommented(code))
	if len(words) == 0 || words[0] != "make" {
		return nil
	}
	for _, word := range words[1:] {
		if !slices.ContainsFunc(targets, func(m []string) bool { return m[1] == word }) {
			problems = append(problems, "no target "+word+" in the Makefile")
		}
	}
	return problems
}

// command is a command as its help shows it.
type command struct {
	subcommands map[string]*command
	flags       map[string]bool // "--name" or "-n", and whether a value follows
}

// loadCommand reads the help of the command and all below it.
func loadCommand(t *testing.T, binary string, words ...string) *command {
	t.Helper()
	cmd := exec.Command(binary, append(slices.Clone(words), "--help")...)
	cmd.Env = []string{"HOME=" + t.TempDir()}
	help, err := cmd.Output()
	if err != nil {
		t.Fatalf("help of %v: %v", words, err)
	}
	c := &command{subcommands: map[string]*command{}, flags: map[string]bool{}}
	for _, m := range regexp.MustCompile(`(?m)^ +(?:(-\w), )?(--[a-z-]+)( \S+)?  `).FindAllStringSubmatch(string(help), -1) {
		c.flags[m[2]] = m[3] != ""
		if m[1] != "" {
			c.flags[m[1]] = m[3] != ""
		}
	}
	_, rest, _ := strings.Cut(string(help), "Available Commands:\n")
	list, _, _ := strings.Cut(rest, "\n\n")
	for _, m := range regexp.MustCompile(`(?m)^  (\w+) `).FindAllStringSubmatch(list, -1) {
		c.subcommands[m[1]] = loadCommand(t, binary, append(slices.Clone(words), m[1])...)
	}
	return c
}

// check finds the invocations of authsome in a line of shell, or a flag that
// stands alone, and counts what it looked up.
func (c *command) check(code string) (checked int, problems []string) {
	if strings.HasPrefix(code, "--") {
		flag, _, _ := strings.Cut(strings.Fields(code)[0], "=")
		if flag != "--" && !c.anyHas(flag) {
			problems = append(problems, "no command has "+flag)
		}
		return 1, problems
	}
	for _, piece := range regexp.MustCompile("[|;&()<>`'\"]+").Split(uncommented(code), -1) {
		words := strings.Fields(strings.TrimPrefix(strings.Replace(piece, "go run ./cmd/authsome", "authsome", 1), "$ "))
		if len(words) > 1 && words[0] == "authsome" {
			n, problem := c.invoke(words[1:])
			checked += n
			if problem != "" {
				problems = append(problems, problem)
			}
		}
	}
	return checked, problems
}

func (c *command) anyHas(flag string) bool {
	_, ok := c.flags[flag]
	for _, sub := range c.subcommands {
		ok = ok || sub.anyHas(flag)
	}
	return ok
}

// invoke follows the words of an invocation. Where a command starts another,
// the rest is that one's.
func (c *command) invoke(words []string) (checked int, problem string) {
	at, starts := c, false
	for i := 0; i < len(words); i++ {
		word, _, hasValue := strings.Cut(words[i], "=")
		sub, isCommand := at.subcommands[word]
		value, isFlag := at.flags[word]
		switch {
		case starts && (word == "--" || !strings.HasPrefix(word, "-")):
			if i += strings.Count(word, "--"); i+1 < len(words) && words[i] == "authsome" {
				n, problem := c.invoke(words[i+1:])
				return checked + n, problem
			}
			return checked, ""
		case isFlag:
			checked++
			if value && !hasValue {
				i++
			}
		case strings.HasPrefix(word, "-"):
			return checked, "no flag " + word
		case isCommand:
			checked++
			starts = at == c && (word == "run" || word == "doctor")
			at = sub
		case len(at.subcommands) > 0:
			return checked + 1, "no command " + word
		}
	}
	return checked, ""
}

// TestDocsErrorCodes: docs/proxy-injection.md explains every code a refused
// request can carry, and no other.
func TestDocsErrorCodes(t *testing.T) {
	var source strings.Builder
	for _, folder := range []string{"proxy", "broker", "cli"} {
		paths, err := filepath.Glob("internal/" + folder + "/*.go")
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			if !strings.HasSuffix(path, "_test.go") {
				source.WriteString(readPage(t, path))
			}
		}
	}
	literal := regexp.MustCompile(`(?:Code: *|Code[A-Z]\w+ +Code += +|forbidden\(|answer\([^"\n]*|asRefusal\([^"\n]*)"([a-z_0-9]+)"`)
	text := readPage(t, "docs/proxy-injection.md")
	sent := literal.FindAllStringSubmatch(source.String(), -1)
	if len(sent) < 25 {
		t.Errorf("only %d codes were found in the source", len(sent))
	}
	for _, m := range sent {
		if !strings.Contains(text, "`"+m[1]+"`") {
			t.Errorf("docs/proxy-injection.md does not explain %s", m[1])
		}
	}
	row := regexp.MustCompile("(?m)^\\| (`[a-z_0-9`, ]+`) \\| \\d")
	for _, m := range row.FindAllStringSubmatch(text, -1) {
		for _, code := range names(strings.ReplaceAll(m[1], "`", "")) {
			if !strings.Contains(source.String(), `"`+code+`"`) {
				t.Errorf("docs/proxy-injection.md explains %s, which nothing sends", code)
			}
		}
	}
}

// TestDocsFlows: docs/login-and-connections.md has a row for each flow, and
// each provider that wants an OAuth app is in the row of its redirect URI.
func TestDocsFlows(t *testing.T) {
	text := readPage(t, "docs/login-and-connections.md")
	_, rest, _ := strings.Cut(text, "| flow |")
	if diff := cmp.Diff(login.Flows(), slices.Sorted(maps.Keys(table(rest)))); diff != "" {
		t.Errorf("flows (-code +docs):\n%s", diff)
	}
	_, rest, _ = strings.Cut(text, "| `redirect` |")
	got := map[string][]string{}
	for name, cells := range table(rest) {
		got[name] = names(cells[1])
	}
	registry, _, err := provider.Load(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{}
	for _, def := range registry.All() {
		if o := def.OAuth; o != nil && o.ClientURL != "" && o.AuthorizationURL != "" {
			want[o.Redirect] = append(want[o.Redirect], def.Name)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("redirects (-definitions +docs):\n%s", diff)
	}
}

// table is the rows of a table, whose heading has begun, by the code in their
// first cell.
func table(text string) map[string][]string {
	text, _, _ = strings.Cut(text, "\n\n")
	rows := map[string][]string{}
	for _, row := range strings.Split(text, "\n")[2:] {
		cells := strings.Split(strings.Trim(row, "| "), " | ")
		rows[strings.Trim(cells[0], "`")] = cells[1:]
	}
	return rows
}

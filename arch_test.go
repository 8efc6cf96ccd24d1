package authsome_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// mayImport is the import table of docs/architecture.md: which of our packages
// a package may import. A package that is not here does not exist.
var mayImport = map[string][]string{
	"secret":     {},
	"audit":      {},
	"ca":         {},
	"proxy":      {},
	"child":      {},
	"sandbox":    {},
	"truststore": {},
	"oauth":      {"secret"},
	"credential": {"secret"},
	"inject":     {"credential", "secret"},
	"vault":      {"secret"},
	"provider":   {"inject", "oauth"},
	"agent":      {"provider"},
	"login":      {"provider", "oauth", "credential", "secret"},
	"prompt":     {"login", "secret"},
	"broker":     {"provider", "login", "vault", "credential", "inject", "audit", "secret"},
	"sqlite":     {},
	"original":   {"sqlite", "secret"},
	"cli": {
		"secret", "audit", "ca", "proxy", "child", "sandbox", "truststore", "oauth", "credential", "inject", "vault", "provider",
		"login", "prompt", "broker", "agent", "original", "sqlite",
	},
}

// mayReveal are the packages that may call secret.Text.Reveal.
var mayReveal = []string{"secret", "oauth", "inject", "credential", "vault", "cli"}

// mayReadProcess is the package that may read environment, arguments and
// working folder.
const mayReadProcess = "cli"

type file struct {
	path string // slash-separated, from the root
	pkg  string // folder below internal/, "" outside
	ast  *ast.File
	test bool
}

func parseTree(t *testing.T) ([]file, *token.FileSet) {
	t.Helper()
	fset := token.NewFileSet()
	var files []file
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != "." || d.Name() == "node_modules") {
			if err == nil {
				err = filepath.SkipDir
			}
			return err
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		parsed, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		slash := filepath.ToSlash(path)
		pkg := ""
		if rest, ok := strings.CutPrefix(slash, "internal/"); ok {
			pkg = rest[:strings.LastIndex(rest, "/")]
		}
		files = append(files, file{slash, pkg, parsed, strings.HasSuffix(path, "_test.go")})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files, fset
}

// owner is the package of the table that a folder belongs to: test kits such
// as vault/vaulttest belong to the package they test.
func owner(pkg string) string {
	top, _, _ := strings.Cut(pkg, "/")
	return top
}

func TestImports(t *testing.T) {
	files, _ := parseTree(t)
	for _, f := range files {
		if f.pkg == "" || f.test {
			continue
		}
		allowed, known := mayImport[owner(f.pkg)]
		if !known {
			t.Errorf("%s: package %s is not in the import table of arch_test.go and docs/architecture.md", f.path, f.pkg)
			continue
		}
		for _, spec := range f.ast.Imports {
			path, _ := strconv.Unquote(spec.Path.Value)
			rest, ours := strings.CutPrefix(path, "authsome/internal/")
			if !ours || owner(rest) == owner(f.pkg) || slices.Contains(allowed, rest) {
				continue
			}
			t.Errorf("%s imports %s; the row of %s in docs/architecture.md allows %v", f.path, rest, owner(f.pkg), allowed)
		}
	}
}

// TestPackageComments: each package explains itself once.
func TestPackageComments(t *testing.T) {
	files, _ := parseTree(t)
	comments := map[string][]string{}
	for _, f := range files {
		folder := f.path[:strings.LastIndex("/"+f.path, "/")]
		if f.test || folder == "" {
			continue
		}
		if _, ok := comments[folder]; !ok {
			comments[folder] = nil
		}
		if f.ast.Doc != nil {
			comments[folder] = append(comments[folder], f.path)
		}
	}
	for folder, in := range comments {
		if len(in) != 1 {
			t.Errorf("%s has package comments in %v, wants exactly one", folder, in)
		}
	}
}

// TestReveal: the characters of a secret come out in few places.
func TestReveal(t *testing.T) {
	files, fset := parseTree(t)
	for _, f := range files {
		if f.pkg == "" || f.test || slices.Contains(mayReveal, owner(f.pkg)) {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok && s.Sel.Name == "Reveal" {
				t.Errorf("%s calls Reveal; only %v may", fset.Position(s.Pos()), mayReveal)
			}
			return true
		})
	}
}

// TestProcessState: only the command line reads environment, arguments and
// working folder, exits, and prints to the standard streams.
func TestProcessState(t *testing.T) {
	forbidden := map[string][]string{
		"os":  {"Getenv", "LookupEnv", "Environ", "Args", "Getwd", "Exit", "Stdin", "Stdout", "Stderr", "UserHomeDir"},
		"fmt": {"Print", "Println", "Printf"},
	}
	files, fset := parseTree(t)
	for _, f := range files {
		if f.pkg == "" || f.test || owner(f.pkg) == mayReadProcess || f.pkg != owner(f.pkg) {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := s.X.(*ast.Ident); ok && slices.Contains(forbidden[x.Name], s.Sel.Name) {
				t.Errorf("%s uses %s.%s; only %s may", fset.Position(s.Pos()), x.Name, s.Sel.Name, mayReadProcess)
			}
			return true
		})
	}
}

// TestNoInit: nothing registers itself, nothing happens before main.
func TestNoInit(t *testing.T) {
	files, _ := parseTree(t)
	for _, f := range files {
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s has an init function", f.path)
			}
		}
	}
}

// TestVerifiedTLS is I3 at its source: no file of the product turns
// verification off.
func TestVerifiedTLS(t *testing.T) {
	files, fset := parseTree(t)
	for _, f := range files {
		if f.test || !strings.HasPrefix(f.path, "internal/") && !strings.HasPrefix(f.path, "cmd/") {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok && id.Name == "InsecureSkipVerify" {
				t.Errorf("%s: upstream TLS is always verified", fset.Position(id.Pos()))
			}
			return true
		})
	}
}

// TestNoRSAKeys: an RSA key costs more to make than everything else on the
// path together. Nothing of the product makes one.
func TestNoRSAKeys(t *testing.T) {
	files, fset := parseTree(t)
	for _, f := range files {
		if f.test || !strings.HasPrefix(f.path, "internal/") && !strings.HasPrefix(f.path, "cmd/") {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := s.X.(*ast.Ident); ok && x.Name == "rsa" && strings.HasPrefix(s.Sel.Name, "Generate") {
				t.Errorf("%s makes an RSA key", fset.Position(s.Pos()))
			}
			return true
		})
	}
}

// programsToo are providers whose name is also that of a program, by the
// packages that know programs.
var programsToo = map[string][]string{"aws": {"child", "cli"}}

// TestProvidersAreData: no bundled provider's name is a string in the code.
func TestProvidersAreData(t *testing.T) {
	names := map[string]bool{}
	definitions, err := filepath.Glob("internal/provider/builtin/*.jsonc")
	if err != nil || len(definitions) == 0 {
		t.Fatalf("no definitions: %v", err)
	}
	for _, path := range definitions {
		if name := strings.TrimSuffix(filepath.Base(path), ".jsonc"); len(name) > 1 { // a letter is no sign of a provider
			names[name] = true
		}
	}
	files, fset := parseTree(t)
	for _, f := range files {
		if f.test || f.pkg == "" {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			if value, _ := strconv.Unquote(lit.Value); names[value] && !slices.Contains(programsToo[value], f.pkg) {
				t.Errorf("%s: provider %q is data; the code does not know it", fset.Position(lit.Pos()), value)
			}
			return true
		})
	}
}

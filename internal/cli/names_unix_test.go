//go:build unix

package cli_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"authsome/internal/credential"
)

// hostileNames are arguments that name nothing; the second half only a shell
// or a script would pass.
func hostileNames() []string {
	return []string{
		"../../../evil/x", "/etc/passwd", "", "-", "--", "\n", strings.Repeat("a", 10<<10), "\xff\xfe", "a/b", "a:b", "%", "_", "*", " ",
		"ü", "ıstanbul", "OPENAI", "openai ", "openai\n", "openai/../openai", ".", "..", "~", "$(touch pwned)", "`id`", "\x1b[31mred", "con", "a\u202eb",
		strings.Repeat("a", 300),
	}
}

// TestProviderArgument gives hostile names to every command that takes a
// provider: they are unknown, and nothing outside the home is touched.
func TestProviderArgument(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.login(t, "openai", w.Canary("key"))
	writeFile(t, filepath.Join(w.dir, "evil", "x.json"), acme("x"))
	writeFile(t, w.home("providers", "notes.txt"), "not authsome's\n")
	before := mustTree(t, w.dir)
	for _, command := range []string{"login", "logout", "get", "inspect", "export", "remove", "revoke"} {
		names := hostileNames()
		if command != "remove" { // C003 needs them all, the others are slow
			names = names[:14]
		}
		for _, name := range names {
			args := []string{command, "--", name}
			if command == "export" && name == "" {
				continue // no provider is every provider
			}
			r := w.authsome(t, args...)
			if r.code != 2 && r.code != 3 {
				t.Errorf("C001 C003 %q: %v", args, r)
			}
			if strings.ContainsAny(r.stderr, "\x1b\u202e") || strings.Contains(r.stderr, "\xff") {
				t.Errorf("C001 %q: unescaped: %q", args, r.stderr)
			}
		}
	}
	if diff := cmp.Diff(before, mustTree(t, w.dir)); diff != "" {
		t.Errorf("C003 something changed: %s", diff)
	}
}

// TestConnectionNames stores a connection under every name that is allowed,
// finds it again under that name, and stores none under the others.
func TestConnectionNames(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good := []string{"work", "A", "a.b", "me@example.com", "a+b", "a-b", "a_b", "0", strings.Repeat("n", 64)}
	for _, name := range good {
		w.login(t, "openai", w.Canary("key"), "--connection", name)
		if got := w.must(t, "get", "openai", "--connection", name, "--field", "connection_name").stdout; got != name+"\n" {
			t.Errorf("C002 %q is shown as %q", name, got)
		}
	}
	before := mustTree(t, w.home())
	for _, name := range hostileNames() {
		if name == "OPENAI" || name == "con" || name == "" {
			continue // names like any other, and the default
		}
		key := w.Canary("refused")
		r := w.invoke(t, invocation{args: []string{"login", "openai", "--with-token", "--connection=" + name}, stdin: key})
		if r.code != 2 || !strings.Contains(r.stderr, "invalid name") {
			t.Errorf("C002 %q: %v", name, r)
		}
	}
	if diff := cmp.Diff(before, mustTree(t, w.home())); diff != "" {
		t.Errorf("C002 a refused name changed something: %s", diff)
	}
	var listed []string
	for line := range strings.Lines(w.must(t, "list", "--connected").stdout) {
		if fields := strings.Fields(line); fields[0] == "openai" {
			listed = append(listed, fields[4])
		}
	}
	slices.Sort(good)
	if diff := cmp.Diff(good, listed); diff != "" {
		t.Errorf("C002 list: %s", diff)
	}
}

// TestFields asks for every field there may be: a secret is never shown.
func TestFields(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	writeFile(t, filepath.Join(w.dir, "basic.json"), `{
  "schema_version": 1, "name": "basic", "display_name": "Basic", "auth_type": "api_key", "flow": "api_key",
  "host_url": "api.basic.example", "inject": [{"kind": "basic", "username": "{api_key}", "password": ""}]
}`)
	w.must(t, "register", "basic.json", "--yes")
	w.login(t, "basic", w.Canary("key"))
	for _, name := range credential.FieldNames() {
		for _, flags := range [][]string{nil, {"--json"}, {"--show-secret=false"}} {
			r := w.authsome(t, append([]string{"get", "basic", "--field", name}, flags...)...)
			if name == credential.APIKey && (r.code != 0 || !strings.Contains(r.stdout, "***")) || name != credential.APIKey && r.code != 1 {
				t.Errorf("C004 %s: %v", name, r)
			}
		}
	}
}

// TestSecretsAsArguments: there is no flag for a secret, and the error for one
// does not repeat it.
func TestSecretsAsArguments(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := w.Canary("key")
	for _, args := range [][]string{
		{"login", "openai", "--api-key", key}, {"login", "openai", "--api-key=" + key}, {"login", "openai", "--token=" + key},
		{"login", "openai", key}, {"login", "openai", "--with-token", key}, {"login", "openai", "--with-token=" + key},
		{"login", "openai", "--client-secret=" + key},
	} {
		if r := w.authsome(t, args...); r.code != 2 {
			t.Errorf("C007 %q: %v", args[:len(args)-1], r)
		}
	}
	if _, err := os.Stat(w.home()); !os.IsNotExist(err) {
		t.Errorf("C007 a home was made: %v", err)
	}
}

// TestHostileTexts: what a definition says is data. JSON stays one document,
// a terminal gets no control character.
func TestHostileTexts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	texts := map[string]string{
		"escape": `\u001b[31mred\u001b]52;c;aGk=\u0007`, "newline": `a\nb`, "bidi": `\u202egnp.exe`, "emoji": "👩‍👩‍👧 ✓", "separators": `a\u2028b\u2029c`,
		"html": `<script>alert(1)</script>`, "surrogate": `\ud800x`, "nul": `a\u0000b`, "raw": "\xff\xfe", "markup": `\u001b]8;;https://evil.example\u001b\\x`,
	}
	for name, text := range texts {
		definition := strings.Replace(acme(name), `"Acme"`, `"`+text+`"`, 1)
		writeFile(t, w.home("providers", name+".json"), definition)
		writeFile(t, filepath.Join(w.dir, name+".json"), strings.Replace(definition, name, name+"2", 1))
	}
	for _, args := range [][]string{{"list"}, {"list", "--json"}, {"inspect", "openai"}, {"doctor"}, {"doctor", "--json"}, {"whoami", "--json"}} {
		checkTexts(t, args, w.authsome(t, args...))
	}
	for name := range texts {
		for _, args := range [][]string{{"inspect", name}, {"inspect", name, "--json"}, {"login", name, "--flow", "pkce"}, {"register", name + ".json", "--yes"}, {"register", name + ".json", "--yes", "--json"}} {
			checkTexts(t, args, w.authsome(t, args...))
		}
	}
}

func checkTexts(t *testing.T, args []string, r result) {
	t.Helper()
	if strings.ContainsFunc(r.stdout+r.stderr, func(c rune) bool {
		return c < ' ' && c != '\n' || c == 0x7f || c == '\u202e' || c == '\u2028' || c == '\uFFFD' && !slices.Contains(args, "--json")
	}) && args[0] != "inspect" {
		t.Errorf("C005 D007 %q: unescaped text in %v", args, r)
	}
	if slices.Contains(args, "--json") || args[0] == "inspect" && r.code == 0 {
		if err := oneDocument(r.stdout); err != nil {
			t.Errorf("C005 %q: %v in %v", args, err, r)
		}
	}
}

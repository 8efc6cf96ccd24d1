package provider_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"authsome/internal/provider"
)

// builtins parses every bundled file, strictly.
func builtins(t testing.TB) map[string]*provider.Definition {
	t.Helper()
	files, err := filepath.Glob("builtin/*")
	if err != nil || len(files) == 0 {
		t.Fatal("no bundled definitions: ", err)
	}
	defs := map[string]*provider.Definition{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		def, warnings, err := provider.Parse(data)
		if err != nil || len(warnings) > 0 {
			t.Errorf("%s: %v %v", file, err, warnings)
			continue
		}
		if want := filepath.Join("builtin", def.Name+".jsonc"); file != want {
			t.Errorf("%s should be %s", file, want)
		}
		defs[def.Name] = def
	}
	return defs
}

func TestBuiltins(t *testing.T) {
	defs := builtins(t)
	envs := map[string]string{}
	for name, def := range defs {
		t.Run(name, func(t *testing.T) {
			checkBuiltin(t, def)
			for field, vars := range def.Env {
				for _, env := range vars {
					if other, taken := envs[env]; taken {
						t.Errorf("%s (%s) is also exported by %s", env, field, other)
					}
					envs[env] = name
				}
			}
			for _, rule := range def.Rules {
				checkLookalikes(t, rule)
			}
		})
	}
	checkNoOverlap(t, defs)
	r := load(t, "")
	var want []string
	for name := range defs {
		want = append(want, name)
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, names(r.All())); diff != "" {
		t.Errorf("registry and folder differ (-folder +registry):\n%s", diff)
	}
}

// checkBuiltin asks more of a bundled definition than of a user's.
func checkBuiltin(t *testing.T, def *provider.Definition) {
	if def.Checked == nil || def.Checked.Note == "" {
		t.Error("checked: no vendor page and what it says")
	} else if day, err := time.Parse(time.DateOnly, def.Checked.Date); err != nil || day.Year() < 2026 {
		t.Errorf("checked.date %q: %v", def.Checked.Date, err)
	}
	if def.Description == "" || def.Docs == "" || len(def.Env) == 0 || len(def.HostURL) == 0 {
		t.Error("description, docs, export or host_url is missing")
	}
	for _, rule := range def.Rules {
		if rule.Port != 443 {
			t.Errorf("%s: a port other than 443", rule)
		}
	}
	if len(def.Inject) == 0 {
		t.Error("nothing is injected")
	}
}

// lookalikes returns hosts that are not name's but look like it.
func lookalikes(name string) []string {
	first, rest, _ := strings.Cut(name, ".")
	dot := strings.LastIndexByte(name, '.')
	stem, tld := name[:dot], name[dot+1:]
	all := []string{
		"evil" + name, "evil-" + name, "x" + name, "-" + name, "1" + name, name + "x", name + "-x", name + ".evil.example", name + ".evil" + "." + tld,
		name + "-evil." + tld, stem + "evil." + tld, stem + "-." + tld, stem + "." + tld + "x", stem + ".x" + tld, stem, tld, "." + name, name + "..", "..", "",
		strings.ReplaceAll(name, ".", "x"), strings.ReplaceAll(name, ".", "-"), strings.ReplaceAll(name, ".", ""), strings.Replace(name, ".", "..", 1),
		name + ":443", name + "/", name + "/x", name + "?", name + "#", name + "%2eevil.example", name + "%00.evil.example", name + "\x00", name + "\n", name + " ", " " + name,
		name + "\t.evil.example", "user@" + name, name + "@evil.example", "[" + name + "]", "https://" + name, name + `\evil.example`, name + ",evil.example",
		first + "。" + rest, first + "．" + rest, "xn--" + name, first + "‍." + rest, name + "­", "ａ" + name, strings.Replace(name, "a", "а", 1) + "а",
		strings.Replace(name, "i", "ı", 1) + "ı", strings.Replace(name, "o", "ο", 1) + "ο", strings.Replace(name, "s", "ſ", 1) + "ſ", name + ".nip.io", stem + ".github.io",
		"evil.example/" + name, stem + "." + strings.Repeat("a", 300), "*." + name + "x", "127.0.0.1", "[::1]", "localhost",
	}
	return all
}

// checkLookalikes asserts that rule matches its genuine hosts and no other.
func checkLookalikes(t *testing.T, rule provider.Rule) {
	t.Helper()
	for _, name := range rule.Suffixes() {
		genuine := []string{name, strings.ToUpper(name), name + "."}
		strangers := lookalikes(name)
		if rule.Kind != provider.Exact {
			genuine = nil
		} else {
			strangers = append(strangers, "sub."+name)
		}
		if rule.Kind == provider.Wildcard {
			genuine = []string{"us21." + name, "a.b." + name, "US." + strings.ToUpper(name)}
			strangers = append(strangers, name)
		}
		if len(strangers) < 50 {
			t.Fatalf("only %d look-alikes", len(strangers))
		}
		for _, host := range genuine {
			if !rule.Match(host, 443, rule.Path+"/") {
				t.Errorf("%s does not match %q", rule, host)
			}
		}
		for _, host := range strangers {
			if rule.Match(host, 443, rule.Path+"/") {
				t.Errorf("%s matches the look-alike %q", rule, host)
			}
		}
	}
}

// twins are two ways to log in to the same hosts. Both connected are a tie, and
// the definition says so.
var twins = map[string]bool{
	"discord discord-bot": true, "klaviyo klaviyo-oauth": true, "notion-mcp notion_dcr": true, "stripe stripe-connect": true,
}

// checkNoOverlap asserts that no request belongs to two bundled providers.
func checkNoOverlap(t *testing.T, defs map[string]*provider.Definition) {
	var entries []provider.Entry
	for name, def := range defs {
		entries = append(entries, provider.Entry{ID: name, Def: def})
	}
	table := provider.NewTable(entries)
	for name, def := range defs {
		for _, rule := range def.Rules {
			for _, suffix := range rule.Suffixes() {
				host := suffix
				if rule.Kind == provider.Wildcard {
					host = "us21." + suffix
				}
				c := table.Candidates(host, rule.Port, rule.Path+"/")
				if rule.Kind != provider.Regex && (len(c) == 0 || c[0].ID != name && !twins[c[0].ID+" "+name]) {
					t.Errorf("%s: %s leads to %s", name, rule, route(c))
				}
				if len(c) > 1 && c[0].Specificity == c[1].Specificity && !twins[c[0].ID+" "+c[1].ID] {
					t.Errorf("%s: %s is claimed twice: %s", name, rule, route(c))
				}
			}
		}
	}
}

// TestBuiltinsJSON asserts that what inspect prints is a definition again.
func TestBuiltinsJSON(t *testing.T) {
	for name, def := range builtins(t) {
		first, err := json.Marshal(def.JSON())
		if err != nil {
			t.Fatal(err)
		}
		again := parse(t, string(first))
		second, err := json.Marshal(again.JSON())
		if err != nil || string(first) != string(second) {
			t.Errorf("%s: %v\n%s\n%s", name, err, first, second)
		}
	}
}

// BenchmarkBundled is what a start costs that needs every definition.
func BenchmarkBundled(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		r, _, err := provider.Load("")
		if err != nil {
			b.Fatal(err)
		}
		var entries []provider.Entry
		for _, def := range r.All() {
			entries = append(entries, provider.Entry{ID: def.Name, Def: def})
		}
		if len(provider.NewTable(entries).Patterns()) == 0 {
			b.Fatal("no hosts")
		}
	}
}

// BenchmarkLoadOne is what a start costs that needs one.
func BenchmarkLoadOne(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		r, _, err := provider.Load("")
		if err != nil {
			b.Fatal(err)
		}
		if _, err := r.Get("openai"); err != nil {
			b.Fatal(err)
		}
	}
}

package provider_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"authsome/internal/provider"
)

// FuzzParse: no input makes Parse panic, and what a definition prints is a
// definition that prints the same.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"builtin/*.jsonc", "testdata/good/*.json", "testdata/bad/*.json"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		def, _, err := provider.Parse(data)
		if err != nil {
			if def != nil || strings.ContainsAny(err.Error(), "\x00\x1b\u202e") {
				t.Errorf("%q", err)
			}
			return
		}
		first, err := json.Marshal(def.JSON())
		if err != nil {
			t.Fatal(err)
		}
		again, warnings, err := provider.Parse(first)
		if err != nil || len(warnings) > 0 {
			t.Fatalf("%s: %v %v", first, err, warnings)
		}
		second, err := json.Marshal(again.JSON())
		if err != nil || string(first) != string(second) {
			t.Errorf("%v\n%s\n%s", err, first, second)
		}
	})
}

// FuzzRule: a rule that matches a host ends in a literal suffix of the host on
// a label boundary, the suffix has an owner, and the table agrees.
func FuzzRule(f *testing.F) {
	for rule := range refused {
		f.Add(rule, "api.example.com", "/v1")
	}
	for _, rule := range []string{"api.example.com", "*.example.com", "https://api.example.com:8443/v1", `regex:^api[0-9]+\.example\.com$`, `regex:(?i)(a|b.)\.(x\.)?example\.(com|net)`} {
		f.Add(rule, "api1.example.com", "/v1/../x")
	}
	f.Fuzz(func(t *testing.T, text, host, path string) {
		rule, err := provider.ParseRule(text)
		if err != nil {
			return
		}
		if again, err := provider.ParseRule(rule.String()); err != nil || again.String() != rule.String() {
			t.Fatalf("%q is not stable: %v, %v", rule.String(), again, err)
		}
		matches := rule.Match(host, rule.Port, path)
		if matches && !below(host, rule.Suffixes()) {
			t.Errorf("%s matches %q", rule, host)
		}
		table := provider.NewTable([]provider.Entry{{ID: "x", Def: &provider.Definition{Rules: []provider.Rule{rule}}}})
		if found := len(table.Candidates(host, rule.Port, path)) == 1; found != matches {
			t.Errorf("%s, %q, %q: rule %t, table %t", rule, host, path, matches, found)
		}
	})
}

// below reports whether host is or lies below one of suffixes.
func below(host string, suffixes []string) bool {
	host = strings.ToLower(strings.Trim(strings.TrimSuffix(host, "."), "[]"))
	for _, s := range suffixes {
		if s != "" && (host == s || strings.HasSuffix(host, "."+s) || strings.Contains(s, ":")) && (strings.ContainsAny(s, ".:") || s == "localhost") {
			return true
		}
	}
	return false
}

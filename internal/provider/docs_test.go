package provider_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"authsome/internal/provider"
)

// TestDocs keeps the contributors' page true.
func TestDocs(t *testing.T) {
	page, err := os.ReadFile("../../docs/adding-a-provider.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(page), "```jsonc\n")
	example, _, closed := strings.Cut(rest, "```")
	if !ok || !closed {
		t.Fatal("no example")
	}
	if def, err := load(t, t.TempDir()).Register([]byte(example), false); err != nil || def.Name != "acme" {
		t.Error(err)
	}
	if err := validate(t, compileSchema(t), []byte(example)); err != nil {
		t.Error(err)
	}
	_, rules, _ := strings.Cut(string(page), "## Host rules")
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(rules, -1) {
		if _, err := provider.ParseRule(strings.Replace(row[1], "{base_url}", "https://git.acme.example", 1)); err != nil {
			t.Errorf("%s: %v", row[1], err)
		}
	}
	for _, rule := range []string{"com", "*.github.io", "regex:.*acme.*"} {
		if _, err := provider.ParseRule(rule); err == nil {
			t.Errorf("%s is accepted", rule)
		}
	}
}

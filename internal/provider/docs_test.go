package provider_test

import (
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
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
	_, oauthPage, _ := strings.Cut(string(page), "## OAuth")
	_, rest, _ = strings.Cut(oauthPage, "```jsonc\n")
	block, _, closed := strings.Cut(rest, "```")
	data := `{"name":"acme","display_name":"Acme","auth_type":"oauth2","flow":"pkce","host_url":"api.acme.example",` + block + `}`
	if def, err := load(t, t.TempDir()).Register([]byte(data), false); !closed || err != nil || def.OAuth.Revocation == nil {
		t.Error(err)
	}
	if err := validate(t, compileSchema(t), []byte(data)); err != nil {
		t.Error(err)
	}
	for _, field := range oauthFields(t) {
		if !strings.Contains(oauthPage, "`"+field+"`") && !strings.HasPrefix(field, "supports_device") {
			t.Errorf("oauth.%s is not on the page", field)
		}
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

// oauthFields returns the members of the oauth block that the schema lists.
func oauthFields(t *testing.T) []string {
	t.Helper()
	var schema struct {
		Properties struct {
			OAuth struct {
				Properties map[string]any `json:"properties"`
			} `json:"oauth"`
		} `json:"properties"`
	}
	if err := json.Unmarshal(provider.Schema(), &schema); err != nil || len(schema.Properties.OAuth.Properties) == 0 {
		t.Fatal("no fields: ", err)
	}
	return slices.Sorted(maps.Keys(schema.Properties.OAuth.Properties))
}

package skills_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"authsome/skills"
)

// TestFormat: the front matter is as the specification wants it.
func TestFormat(t *testing.T) {
	text := string(skills.Authsome())
	rest, ok := strings.CutPrefix(text, "---\n")
	front, body, closed := strings.Cut(rest, "\n---\n")
	if !ok || !closed || strings.TrimSpace(body) == "" || strings.Count(text, "\n") > 500 {
		t.Fatal("no front matter, no body, or too long")
	}
	fields := map[string]string{}
	for _, line := range strings.Split(front, "\n") {
		name, value, ok := strings.Cut(line, ": ")
		if !ok || strings.HasPrefix(value, `"`) || strings.Contains(value, ": ") || strings.Contains(value, " #") {
			t.Errorf("%q is no plain scalar of YAML", line)
		}
		fields[name] = value
	}
	if fields["name"] != skills.Name || !regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`).MatchString(fields["name"]) || len(fields["name"]) > 64 {
		t.Errorf("name %q", fields["name"])
	}
	if n := len(fields["description"]); n == 0 || n > 1024 {
		t.Errorf("a description of %d characters", n)
	}
	if n := len(fields["compatibility"]); n > 500 {
		t.Errorf("compatibility of %d characters", n)
	}
	delete(fields, "name")
	delete(fields, "description")
	delete(fields, "license")
	delete(fields, "compatibility")
	if len(fields) > 0 {
		t.Errorf("fields that the specification does not have: %v", fields)
	}
}

// TestCodes: the codes of Authsome-Error that the skill explains exist.
func TestCodes(t *testing.T) {
	page, err := os.ReadFile("../docs/proxy-injection.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(skills.Authsome()), "| Authsome-Error | do |")
	codes := regexp.MustCompile("`([a-z_]+)`[,| ]").FindAllString(table, -1)
	if len(codes) < 15 {
		t.Fatalf("%d codes", len(codes))
	}
	for _, code := range codes {
		if code = strings.Trim(code, ", |"); !strings.Contains(string(page), code) {
			t.Errorf("docs/proxy-injection.md does not have %s", code)
		}
	}
}

package provider_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"authsome/internal/provider"
)

// TestRulePathWildcards: * is one segment, ** one or more, and what follows is
// whole segments.
func TestRulePathWildcards(t *testing.T) {
	one, many := "https://git.example.com/*/*/info/refs", "https://git.example.com/**/git-upload-pack"
	for _, tc := range []struct {
		rule, path string
		want       bool
	}{
		{one, "/o/r.git/info/refs", true},
		{one, "/o/r/info/refs/x", true},
		{one, "/o/r/info/refs?service=git-upload-pack", true},
		{one, "/o/r/x/info/refs", false},
		{one, "/r/info/refs", false},
		{one, "/o/r/info", false},
		{one, "/o/r/info/refs2", false},
		{one, "/o/r/info%2frefs", false},
		{one, "/o/../o/r/info/refs", false},
		{one, "/o/r;x/info/refs", false},
		{one, "//o/r/info/refs", true},
		{one, "/", false},
		{one, "", false},
		{many, "/r/git-upload-pack", true},
		{many, "/a/b/c/d/r.git/git-upload-pack", true},
		{many, "/git-upload-pack", false},
		{many, "/git-upload-pack/git-upload-pack", true},
		{many, "/a/git-upload-packs", false},
		{many, "/a/..%2fgit-upload-pack", false},
		{many, strings.Repeat("/a", 30_000), false},
	} {
		rule, err := provider.ParseRule(tc.rule)
		if err != nil {
			t.Fatal(err)
		}
		if got := rule.Match("git.example.com", 443, tc.path); got != tc.want {
			t.Errorf("%s matches %.60q: %t", tc.rule, tc.path, got)
		}
	}
}

const placedInject = `[
	{"kind": "basic", "username": "x", "password": "{api_key}", "at": ["https://example.com/*/git", "*.example.com"]},
	{"kind": "query", "name": "k", "value": "{api_key}", "at": "*.example.com"},
	{"kind": "header", "name": "Authorization", "value": "Bearer {api_key}"}]`

// TestInjectAt: a rule gets the injections that name it, else those that name
// no rule.
func TestInjectAt(t *testing.T) {
	def := parse(t, apiKeyWith(`["api.example.net", "https://example.com/*/git", "*.example.com"]`, placedInject))
	for _, tc := range []struct{ url, rule, kinds string }{
		{"https://api.example.net/x", "api.example.net", "header"},
		{"https://example.com/a/git/b", "https://example.com/*/git", "basic"},
		{"https://a.example.com/a/git/b", "*.example.com", "basic query"},
		{"https://example.com/a", "", ""},
		{"https://api.example.net:8443/", "", ""},
	} {
		u, err := url.Parse(tc.url)
		if err != nil {
			t.Fatal(err)
		}
		rule, ok := def.RuleFor(u)
		if !ok {
			if tc.rule != "" {
				t.Errorf("%s has no rule", tc.url)
			}
			continue
		}
		var kinds []string
		for _, injection := range def.InjectAt(rule) {
			kinds = append(kinds, injection.Spec().Kind)
		}
		if slices.Sort(kinds); rule.String() != tc.rule || strings.Join(kinds, " ") != tc.kinds {
			t.Errorf("%s: %s gets %v", tc.url, rule, kinds)
		}
	}
}

func TestInjectAtRefuses(t *testing.T) {
	for name, tc := range map[string]struct{ inject, want string }{
		"unknown rule": {`[{"kind": "header", "name": "A", "value": "{api_key}", "at": "api.example.org"}]`, "not a rule of host_url"},
		"nothing left": {`[{"kind": "header", "name": "A", "value": "{api_key}", "at": "*.example.com"}]`, "has nothing for api.example.net"},
		"twice": {`[{"kind": "header", "name": "A", "value": "{api_key}", "at": ["*.example.com", "api.example.net"]},
			{"kind": "header", "name": "a", "value": "{username}", "at": "*.example.com"}]`, "is set twice"},
	} {
		_, _, err := provider.Parse([]byte(apiKeyWith(`["api.example.net", "*.example.com"]`, tc.inject)))
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func apiKeyWith(hosts, inject string) string {
	return `{"schema_version": 1, "name": "acme", "display_name": "Acme", "auth_type": "api_key", "flow": "api_key", "host_url": ` + hosts + `, "inject": ` + inject + `}`
}

package provider

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"authsome/internal/inject"
)

// providersPage lists the bundled definitions below its heading.
const (
	providersPage    = "../../docs/providers.md"
	providersHeading = "## What is bundled\n"
)

// TestProvidersPage: the list in docs/providers.md is what the definitions
// say. With -update it is written.
func TestProvidersPage(t *testing.T) {
	page, err := os.ReadFile(providersPage)
	if err != nil {
		t.Fatal(err)
	}
	above, _, found := strings.Cut(string(page), providersHeading)
	if !found {
		t.Fatalf("no %q", providersHeading)
	}
	want := above + providersHeading + bundledList(t)
	if *update {
		if err := os.WriteFile(providersPage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, string(page)); diff != "" {
		t.Errorf("docs/providers.md is stale; run: go test ./internal/provider -run TestProvidersPage -update\n%s", diff)
	}
}

func bundledList(t *testing.T) string {
	t.Helper()
	r, _, err := Load("")
	if err != nil {
		t.Fatal(err)
	}
	defs := slices.DeleteFunc(r.All(), func(d *Definition) bool { return d.Source != Bundled })
	var b strings.Builder
	fmt.Fprintf(&b, "\n%d definitions, printed from them. The name leads to the vendor's page on authentication. `inspect` shows the rest: all hosts, scopes, denied endpoints, and which page the definition was checked against and when.\n\n", len(defs))
	b.WriteString("| name | service | login | the credential goes to | as | variables |\n|---|---|---|---|---|---|\n")
	for _, def := range defs {
		b.WriteString(bundledRow(def))
	}
	return b.String()
}

func bundledRow(def *Definition) string {
	var as []string
	for _, injection := range def.Inject {
		as = append(as, code(place(injection.Spec())))
	}
	var vars []string
	for _, field := range []string{"api_key", "access_token", "access_key_id", "secret_access_key", "session_token"} {
		for _, name := range def.Env[field] {
			vars = append(vars, code(name))
		}
	}
	cells := []string{
		fmt.Sprintf("[`%s`](%s)", def.Name, def.Docs), fmt.Sprintf("%s: %s", def.DisplayName, def.Description), code(def.Flow),
		rules(def.HostURL), strings.Join(as, "<br>"), strings.Join(vars, " "),
	}
	return "| " + strings.Join(cells, " | ") + " |\n"
}

// rules shows the first few of the host rules.
func rules(all []string) string {
	const most = 3
	var shown []string
	for _, rule := range all[:min(most, len(all))] {
		shown = append(shown, code(strings.TrimPrefix(rule, "https://")))
	}
	if more := len(all) - most; more > 0 {
		shown = append(shown, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(shown, "<br>")
}

// place says where an injection puts the credential.
func place(s inject.Spec) string {
	switch s.Kind {
	case "header":
		return s.Name + ": " + s.Value
	case "basic":
		return "Authorization: Basic " + s.Username + ":" + s.Password
	case "query":
		return "?" + s.Name + "=" + s.Value
	case "sigv4":
		return "Authorization: AWS4-HMAC-SHA256 …"
	case "cookie":
		return "Cookie: " + s.Name + "=" + s.Value
	case "path":
		return "/" + s.Value + "/"
	case "hmac":
		return s.Name + ": hmac-" + s.Sign.Algorithm
	}
	return strings.Join(slices.DeleteFunc([]string{s.Kind, s.Name, s.Value}, func(part string) bool { return part == "" }), " ")
}

func code(s string) string { return "`" + strings.ReplaceAll(s, "|", `\|`) + "`" }

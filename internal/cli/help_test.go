package cli_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// What testdata/script/help.txtar holds, each command's help as the binary
// prints it, has to be complete.
func TestHelp(t *testing.T) {
	archive, err := txtar.ParseFile("testdata/script/help.txtar")
	if err != nil {
		t.Fatal(err)
	}
	if len(archive.Files) < 20 {
		t.Fatalf("%d commands", len(archive.Files))
	}
	listed := map[string]bool{}
	for _, match := range regexp.MustCompile(`(?m)^  ([a-z]+) {2,}[A-Z]`).FindAllStringSubmatch(string(archive.Files[0].Data), -1) {
		listed[match[1]] = true
	}
	for _, file := range archive.Files[1:] {
		name := strings.TrimSuffix(file.Name, ".txt")
		t.Run(name, func(t *testing.T) { checkHelp(t, string(file.Data)) })
		delete(listed, name)
	}
	if len(listed) > 0 {
		t.Errorf("commands without a help in the script: %v", listed)
	}
}

func checkHelp(t *testing.T, help string) {
	purpose, _, _ := strings.Cut(strings.ReplaceAll(help, "\n", " "), "  ")
	if !regexp.MustCompile(`^[A-Z][^.:]{8,100}[.:]`).MatchString(purpose) {
		t.Errorf("it does not start with one sentence of purpose: %q", purpose)
	}
	for _, want := range []string{`(?m)^Exit codes:`, `(?m)^  (0|125)  `, `(?m)^Usage:\n  authsome `, `(?m)^Examples:\n  .*authsome `} {
		if !regexp.MustCompile(want).MatchString(help) {
			t.Errorf("no %s in\n%s", want, help)
		}
	}
	// C007: no flag takes a secret; those that name one read it elsewhere.
	for _, match := range regexp.MustCompile(`--([a-z-]*(key|token|secret|password)[a-z-]*)( \S+)?  `).FindAllStringSubmatch(help, -1) {
		if match[3] != "" {
			t.Errorf("C007: --%s takes a value on the command line", match[1])
		}
	}
}

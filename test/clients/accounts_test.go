//go:build linux

package clients_test

import (
	"strings"
	"testing"
)

// TestAccounts: two accounts of one provider in one run, and each request gets
// the one that its client's environment variable names. Nothing else tells the
// clients apart.
func TestAccounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	keys := map[string]string{"default": w.CanaryAs("private", "ghp_%s0123456789012345"), "work": w.CanaryAs("work", "ghp_%s0123456789012345")}
	w.login(t, "github", keys["default"])
	w.login(t, "github", keys["work"], "--connection", "work")
	w.Reset() // the logins asked who it is
	octokit := "node " + absolute(t, "node/octokit.mjs")
	curl := `curl -sS --fail-with-body -H "Authorization: Bearer $GITHUB_TOKEN" https://api.github.com/user`
	script := []string{"set -e"}
	var want []string
	for _, command := range []struct{ variable, line string }{{"GITHUB_TOKEN", curl}, {"GH_TOKEN", "gh api user"}, {"GITHUB_TOKEN", octokit}} {
		for _, value := range []struct{ placeholder, connection string }{
			{"", "default"}, {placeholder + ":work", "work"}, {placeholder + ":default", "default"}, {placeholder + ":github/work", "work"},
		} {
			line := "(" + command.line + ")"
			if value.placeholder != "" {
				line = "(export " + command.variable + "=" + value.placeholder + "; " + command.line + ")"
			}
			script = append(script, line)
			want = append(want, keys[value.connection])
		}
	}
	r := w.ok(t, "run", "--only", "github", "--", "sh", "-c", strings.Join(script, "\n"))
	equal(t, "answers", strings.Count(r.stdout, "labrat"), len(want))
	got := w.requests("api.github.com")
	equal(t, "requests", len(got), len(want))
	for i, request := range got {
		values := request.Values("Authorization")
		if len(values) != 1 || i >= len(want) || !strings.HasSuffix(values[0], " "+want[i]) || request.Target != "/user" {
			t.Errorf("request %d: %s: another account, or none", i, request)
		}
	}
	// The account that is not there is nobody's.
	r = w.do(t, "run", "--", "sh", "-c", "GH_TOKEN="+placeholder+":nobody gh api user")
	if r.code == 0 || !strings.Contains(r.stdout+r.stderr, "no_such_connection") && !strings.Contains(r.stdout+r.stderr, "403") {
		t.Errorf("an account that does not exist: %s", r)
	}
	equal(t, "requests", len(w.requests("api.github.com")), len(want))
}

//go:build linux

package clients_test

import (
	"regexp"
	"testing"
)

// TestDiagnosis: what keeps a command's requests from getting a credential is
// one line on standard error that names the host, the client and what to do,
// and standard output stays the command's.
func TestDiagnosis(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		script string // of sh, unless it is another command
		direct []string
		code   int
		says   string // the one line, a pattern
	}{
		{name: "refused", script: `curl -sS --cacert "$LAB_CA" ` + models, code: 60,
			says: `curl does not accept this run's certificate for api\.openai\.com \(.*authsome doctor -- curl.*authsome export`},
		// A pin is looked at when the handshake is over: curl says nothing and goes.
		{name: "T016_pinned", script: `for i in 1 2 3; do curl -sS --pinnedpubkey sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= ` + models + `; done`, code: 90,
			says: `(curl|a client) does not accept this run's certificate for api\.openai\.com .*it pins another one`},
		{name: "browser", script: `chromium --headless --no-sandbox --dump-dom 'data:text/html,<img src="` + models + `">' 2>/dev/null >/dev/null`,
			says: `(chromium|chrome) does not accept this run's certificate for api\.openai\.com .*authsome doctor -- chrom`},
		{name: "bypass", direct: []string{"svn", "--non-interactive", "info", "https://svn.invalid/a"}, code: 1,
			says: `svn ended with 1 and came with no request to this run's proxy: it may go around\. .authsome doctor -- svn. says`},
		{name: "unauthorized", script: `for i in 1 2; do curl -sS https://api.anthropic.com/v1/models; done >/dev/null`,
			says: `api\.anthropic\.com answered 401 to the credential of anthropic/default: .*authsome login anthropic --connection default --force`},
		{name: "placeholder", script: `curl -sS -H "X-Key: $OPENAI_API_KEY" ` + models + ` >/dev/null`,
			says: `a placeholder went to api\.openai\.com as it is, in a place where openai does not take`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.login(t, "openai", w.Canary("openai"))
			w.login(t, "anthropic", w.CanaryAs("anthropic", "sk-ant-%s"))
			w.Require("api.anthropic.com", "another key")
			w.env = append(w.env, "LAB_CA="+w.CA())
			command := c.direct
			if command == nil {
				command = []string{"sh", "-c", c.script}
			}
			r := w.do(t, append([]string{"run", "--"}, command...)...)
			equal(t, "exit code", r.code, c.code)
			equal(t, "output", r.stdout, "")
			said := regexp.MustCompile(`authsome: .*`).FindAllString(r.stderr, -1)
			if len(said) != 1 || !regexp.MustCompile(c.says).MatchString(said[0]) {
				t.Errorf("want one line with %q: %s", c.says, r)
			}
		})
	}
}

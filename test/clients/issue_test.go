//go:build linux

package clients_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// shell runs a line as a user would type it, authsome in the PATH.
func (w *world) shell(t *testing.T, line string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, "sh", "-c", line)
	cmd.Env = set(w.env, "PATH", filepath.Dir(w.bin)+":"+variables(w.env)["PATH"])
	cmd.Dir = w.tmp
	return cmd
}

// TestFirstLight is a user's first session, on a machine where ~/.authsome
// does not exist.
func TestFirstLight(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.env = unset(w.env, "AUTHSOME_HOME")
	home := filepath.Join(variables(w.env)["HOME"], ".authsome")
	key := w.Canary("openai")
	w.Require("api.openai.com", key)
	w.env = append(w.env, "KEY="+key) // the user's own shell holds it for once
	login := w.finish(t, w.shell(t, `printf %s "$KEY" | authsome login openai --with-token`))
	w.env = unset(w.env, "KEY")
	equal(t, "login", login.code, 0)
	contains(t, "login", login.stdout, "Logged in to openai (default)")
	info, err := os.Stat(home)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "mode of ~/.authsome", info.Mode().Perm(), 0o700)
	for _, c := range []struct {
		line   string
		code   int
		stdout []string
	}{
		{"authsome list --connected", 0, []string{"openai", "connected"}},
		{"authsome run -- env", 0, []string{"OPENAI_API_KEY=" + placeholder, "HTTPS_PROXY=http://127.0.0.1:", "AUTHSOME_PROXY_MODE=true"}},
		{"authsome run -- curl -s " + models, 0, []string{"lab-1"}},
		{`authsome run -- sh -c 'curl -s -H "Authorization: Bearer $OPENAI_API_KEY" ` + models + `'`, 0, []string{"lab-1"}},
		{"authsome run -- curl -s https://example.com/", 0, []string{`"host":"example.com"`}},
		{"authsome run curl -s --fail " + models, 0, []string{"lab-1"}},
		{"authsome run -- sh -c 'exit 7'", 7, nil},
		{"authsome run -- sh -c 'kill -TERM $$'", 143, nil},
		{"authsome run -- no-such-command", 127, nil},
		{"authsome run -- /etc/passwd", 126, nil},
	} {
		r := w.finish(t, w.shell(t, c.line))
		if r.code != c.code {
			t.Errorf("%s: want exit %d: %s", c.line, c.code, r)
		}
		contains(t, c.line, r.stdout, c.stdout...)
	}
	equal(t, "requests with the key", len(w.requests("api.openai.com")), 3)
	exported := w.finishWithSecrets(t, w.shell(t, `eval "$(authsome export openai --format shell)" && printf %s "$OPENAI_API_KEY"`))
	equal(t, "what eval exported", exported.stdout, key)
	contains(t, "note of export", exported.stderr, "authsome run")
	equal(t, "logout", w.finish(t, w.shell(t, "authsome logout openai")).code, 0)
	after := w.finish(t, w.shell(t, "authsome export openai"))
	equal(t, "export after logout", after.code, 5)
	contains(t, "export after logout", after.stderr, "authsome login openai")
}

// P005: a signal to authsome is the child's, and so is the exit code.
func TestRun_P005_terminate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, c := range []struct {
		child string
		code  int
	}{{"hold", 0}, {"caller", 143}} {
		run := w.start(t, c.child)
		if c.child == "hold" {
			run.environ(t) // it handles the signal from now on
		} else {
			equal(t, "status", run.get(t, "https://example.com/").Status, 200)
		}
		if err := run.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if c.child == "hold" {
			var last string
			run.read(t, &last)
			equal(t, "the child's last word", last, "terminated")
		}
		equal(t, "exit of "+c.child, run.wait(t), c.code)
	}
	equal(t, "run folders left", strings.Join(w.runFolders(t), " "), "")
}

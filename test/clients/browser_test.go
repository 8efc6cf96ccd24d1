//go:build linux

package clients_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestBrowser_installed: Chromium, which reads certificates from its database
// in the home folder only, comes through a run once the authority is in there,
// and doctor says so before and after.
func TestBrowser_installed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := w.Canary("openai")
	w.Require("api.openai.com", key)
	w.login(t, "openai", key)
	database := filepath.Join(variables(w.env)["HOME"], ".local", "share", "pki", "nssdb")
	if err := os.MkdirAll(database, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("certutil", "-N", "--empty-password", "-d", "sql:"+database).CombinedOutput(); err != nil {
		t.Fatalf("certutil: %v: %s", err, out)
	}
	before := w.do(t, "doctor", "--", "chromium")
	equal(t, "doctor's exit code", before.code, 1)
	contains(t, "doctor", before.stdout, "kind: authsome ca install --store chromium")
	w.ok(t, "ca", "install", "--yes", "--store", "chromium")
	contains(t, "doctor", w.ok(t, "doctor", "--", "chromium").stdout, "served by what authsome ca install has put into its store")
	r := w.ok(t, "run", "--", "chromium", "--headless", "--no-sandbox", "--dump-dom", models)
	contains(t, "page", r.stdout, "lab-1")
	got := w.requests("api.openai.com")
	if len(got) == 0 {
		t.Fatalf("no request: %s", r)
	}
	for _, request := range got { // the page, and its icon
		equal(t, "Authorization", strings.Join(request.Values("Authorization"), ", "), "Bearer "+key)
	}
	w.ok(t, "ca", "uninstall", "--yes")
	equal(t, "doctor's exit code", w.do(t, "doctor", "--", "chromium").code, 1)
}

// TestShims_browser: a browser with a profile of its own that Node.js starts is
// told the hashes of the run's keys, beside its own; other programs get what
// they are given.
func TestShims_browser(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.login(t, "openai", w.Canary("openai"))
	script := `const { spawn } = require("child_process"), keys = "--ignore-certificate-errors-spki-list=";
		const start = (...args) => new Promise((done) => spawn("echo", args, { stdio: "inherit" }).on("exit", done));
		(async () => {
			await start("--user-data-dir=/p", "about:blank");
			await start("--user-data-dir=/p", keys + "mine");
			await start("--user-data-dir", "plain");
			await start();
		})();`
	r := w.ok(t, "run", "--", "sh", "-c", `authsome() { "$0" "$@"; }; authsome ca show --spki; node -e "$1"`, w.bin, script)
	hash, rest, _ := strings.Cut(r.stdout, "\n")
	equal(t, "length of a hash", len(hash), 44)
	const flag = "--ignore-certificate-errors-spki-list="
	equal(t, "arguments", rest, flag+hash+" --user-data-dir=/p about:blank\n--user-data-dir=/p "+flag+"mine,"+hash+"\n--user-data-dir plain\n\n")
	r = w.ok(t, "run", "--no-shims", "--", "node", "-e", script)
	contains(t, "without shims", r.stdout, "--user-data-dir=/p about:blank\n")
}

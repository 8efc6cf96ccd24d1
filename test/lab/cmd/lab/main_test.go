//go:build unix

package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The commands in the package comment work in a shell.
func TestDaemon(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "lab")
	if out, err := exec.Command("go", "build", "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("error %v: %s", err, out)
	}
	const script = `
set -e
eval "$("$1" -daemon -for 1m)"
trap 'kill "$LAB_PID"' EXIT
command -v authsome
test -d "$AUTHSOME_HOME"
curl --silent --show-error --cacert "$SSL_CERT_FILE" --header 'X-From: shell' https://api.openai.com/v1/models
for i in $(seq 100); do grep -iq x-from "$LAB_LOG" && break; sleep 0.1; done
cat "$LAB_LOG"
trap - EXIT
kill "$LAB_PID"
for i in $(seq 100); do test -e "$LAB_LOG" || break; sleep 0.1; done
test ! -e "$SSL_CERT_FILE"
`
	out, err := exec.Command("sh", "-c", script, "sh", bin).CombinedOutput()
	if err != nil {
		t.Fatalf("error %v: %s", err, out)
	}
	for _, want := range []string{"/authsome", `"lab-1"`, `CONNECT "api.openai.com:443" 200`, `"X-From": "shell"`} {
		if !strings.Contains(strings.ReplaceAll(string(out), "x-from", "X-From"), want) {
			t.Errorf("%q is not in %s", want, out)
		}
	}
}

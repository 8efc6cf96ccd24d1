//go:build linux

package conformance_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"authsome/test/lab"
)

// patience is how long a suite may take on a machine that has other things to
// do.
const patience = 10 * time.Minute

// secret is the credential that every world injects.
const secret = "CANARY-sk-conformance-0123456789abcdef"

// host is the name that the suites talk to.
const host = "suite.test"

// A world is a lab with one user in it, who is logged in at host.
type world struct {
	*lab.Lab
	bin string // authsome
	tmp string
	env []string
}

// newWorld has a credential for one host rule: host, or https://host:port.
func newWorld(t *testing.T, rule string) *world {
	t.Helper()
	l := lab.New(t)
	w := &world{Lab: l, bin: lab.Build(t), tmp: filepath.Join(l.Dir(), "tmp"), env: l.Env(filepath.Join(l.Dir(), "authsome"))}
	definition := filepath.Join(l.Dir(), "suite.json")
	text := fmt.Sprintf(`{"schema_version": 1, "name": "suite", "display_name": "Suite", "auth_type": "api_key", "flow": "api_key",
		"host_url": %q, "inject": [{"kind": "header", "name": "Authorization", "value": "Bearer {api_key}"}],
		"export": {"env": {"api_key": ["SUITE_KEY"]}}}`, rule)
	if err := os.WriteFile(definition, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	w.ok(t, "", "register", "--yes", definition)
	w.ok(t, secret, "login", "suite", "--with-token")
	return w
}

// cmd is authsome with these arguments. It is killed when it takes too long.
func (w *world) cmd(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, w.bin, args...)
	cmd.Env, cmd.Dir = w.env, w.tmp
	cmd.WaitDelay = 5 * time.Second // a grandchild that holds the pipes
	return cmd
}

// ok runs authsome, which has to succeed, and returns all that it said.
func (w *world) ok(t *testing.T, input string, args ...string) string {
	t.Helper()
	cmd := w.cmd(t, args...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("authsome %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	w.SearchBytes(t, "output of authsome "+args[0], out)
	return string(out)
}

// A session is one `authsome run` that lasts until the test ends, for suites
// that are started outside of it.
type session struct {
	pid   int
	proxy string         // host:port
	roots *x509.CertPool // what its clients trust
}

// start begins a run whose child does nothing.
func (w *world) start(t *testing.T) *session {
	t.Helper()
	cmd := w.cmd(t, "run", "--", "sh", "-c", `echo "$HTTPS_PROXY"; echo "$SSL_CERT_FILE"; exec cat`)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("authsome run: %v\n%s", err, stderr.Bytes())
		}
		w.SearchBytes(t, "stderr of authsome run", stderr.Bytes())
	})
	lines := bufio.NewScanner(stdout)
	s := &session{pid: cmd.Process.Pid, proxy: nextLine(t, lines), roots: x509.NewCertPool()}
	proxy, err := url.Parse(s.proxy)
	if err != nil {
		t.Fatal(err)
	}
	s.proxy = proxy.Host
	bundle, err := os.ReadFile(nextLine(t, lines))
	if err != nil {
		t.Fatal(err)
	}
	s.roots.AppendCertsFromPEM(bundle)
	return s
}

// nextLine is the next line.
func nextLine(t *testing.T, lines *bufio.Scanner) string {
	t.Helper()
	if !lines.Scan() {
		t.Fatalf("authsome run said nothing: %v", lines.Err())
	}
	return lines.Text()
}

// memory is the most that the run ever had in memory, in bytes.
func (s *session) memory(t *testing.T) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatal("no VmHWM")
	return 0
}

//go:build linux

package clients_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestParents goes out through proxies that people run: tinyproxy, and the
// same behind TLS (stunnel). It asks for credentials, and leads to the lab's
// own upstream.
func TestParents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := w.Canary("openai")
	w.login(t, "openai", key)
	const user, password = "user", "pass-word" // tinyproxy's configuration has no others
	const encoded = "user:p%61ss-word"
	http := w.tinyproxy(t, user, password)
	for name, parent := range map[string]string{
		"tinyproxy": "http://" + encoded + "@" + http,
		"stunnel":   "https://" + encoded + "@localhost:" + w.stunnel(t, http),
	} {
		t.Run(name, func(t *testing.T) {
			w.Reset()
			cmd := w.cmd(t, "run", "--", "curl", "-sS", "--fail-with-body", models, "https://unclaimed.example/blind")
			cmd.Env = set(set(cmd.Env, "HTTPS_PROXY", parent), "https_proxy", "")
			r := w.finish(t, cmd)
			contains(t, "answers", r.stdout, "lab-1", "/blind")
			equal(t, "exit", r.code, 0)
			got := w.requests(victim)
			if len(got) != 1 || got[0].Get("Authorization") != "Bearer "+key {
				t.Errorf("upstream got %v: %s", got, r)
			}
			w.bare(t, w.requests("unclaimed.example")[0])
		})
	}
	t.Run("tinyproxy_wrong_password", func(t *testing.T) {
		cmd := w.cmd(t, "run", "--", "curl", "-sS", models)
		cmd.Env = set(cmd.Env, "HTTPS_PROXY", "http://user:"+w.Canary("proxy")+"@"+http)
		r := w.finish(t, cmd)
		contains(t, "answer", r.stdout, "parent_proxy", "refused CONNECT") // tinyproxy says 401
	})
}

// serve starts a server that listens on port and ends with the test.
func (w *world) serve(t *testing.T, port string, name string, args ...string) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		path = filepath.Join("/usr/sbin", name)
	}
	cmd := exec.Command(path, args...)
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", port))
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s does not listen: %s", name, log.String())
		}
	}
}

// freePort is a port that nobody had a moment ago.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

func (w *world) write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(w.Dir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// tinyproxy forwards to the lab's parent proxy.
func (w *world) tinyproxy(t *testing.T, user, password string) string {
	t.Helper()
	port := freePort(t)
	config := fmt.Sprintf("Port %s\nListen 127.0.0.1\nMaxClients 50\nBasicAuth %s %s\nUpstream http %s\n", port, user, password, strings.TrimPrefix(w.Proxy(), "http://"))
	w.serve(t, port, "tinyproxy", "-d", "-c", w.write(t, "tinyproxy.conf", config))
	return "127.0.0.1:" + port
}

// stunnel is TLS before address, with a certificate of the lab's.
func (w *world) stunnel(t *testing.T, address string) (port string) {
	t.Helper()
	cert, key, err := w.Pair("localhost")
	if err != nil {
		t.Fatal(err)
	}
	port = freePort(t)
	config := fmt.Sprintf("foreground = yes\npid =\n[proxy]\naccept = 127.0.0.1:%s\nconnect = %s\ncert = %s\nkey = %s\n",
		port, address, w.write(t, "stunnel.crt", string(cert)), w.write(t, "stunnel.key", string(key)))
	w.serve(t, port, "stunnel4", w.write(t, "stunnel.conf", config))
	return port
}

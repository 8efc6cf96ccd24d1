//go:build linux

package clients_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"authsome/test/lab"
)

const models = "https://api.openai.com/v1/models"

// A client is a program that makes one request. It names itself in the field
// Lab-Client.
type client struct {
	name    string
	command []string
	stdin   string
	says    []string // what its output holds
	method  string   // GET if ""
	body    int64    // bytes the upstream gets
}

// curl is a client that prints the HTTP version it spoke.
func curl(name, version string, args ...string) client {
	command := []string{
		"curl", "-sS", "--fail-with-body", "-H", "Lab-Client: " + name, "-H", "Authorization: Bearer " + placeholder,
		"-w", "HTTP version %{http_version}.", "--max-time", "60",
	}
	return client{name: name, command: append(command, args...), says: []string{"HTTP version " + version + "."}}
}

func (c client) posts(n int64) client {
	c.method, c.body = "POST", n
	return c
}

func (c client) prints(parts ...string) client {
	c.says = append(c.says, parts...)
	return c
}

const megabytes = 2 << 20

// clients are the programs that work by their environment alone, but for wget,
// which has to be told where the authority is.
func clients(t *testing.T, w *world) []client {
	t.Helper()
	big := filepath.Join(w.Dir(), "big")
	if err := os.WriteFile(big, bytes.Repeat([]byte("0123456789abcdef"), megabytes/16), 0o600); err != nil {
		t.Fatal(err)
	}
	chunked := curl("curl-chunked", "1.1", "--http1.1", "-X", "POST", "-T", "-", "https://api.openai.com/echo").posts(megabytes)
	chunked.stdin, chunked.command = big, append(chunked.command, "-o", os.DevNull)
	all := []client{
		curl("curl", "2", models).prints("lab-1"),
		curl("curl-http1", "1.1", "--http1.1", models).prints("lab-1"),
		curl("curl-http2", "2", "--http2", models).prints("lab-1"),
		curl("curl-post", "1.1", "--http1.1", "--data", "say=squeak", "https://api.openai.com/echo").posts(10).prints("say=squeak"),
		curl("curl-post-http2", "2", "--data", "say=squeak", "https://api.openai.com/echo").posts(10).prints("say=squeak"),
		curl("curl-expect", "1.1", "--http1.1", "-v", "-H", "Expect: 100-continue", "--expect100-timeout", "50",
			"--data-binary", "@"+big, "https://api.openai.com/v1/files").posts(megabytes).prints("HTTP/1.1 100 Continue"),
		chunked,
		{name: "wget", command: []string{"sh", "-c", `exec wget -qO- --ca-certificate="$(authsome ca path)" --header='Lab-Client: wget' "$0"`, models}, says: []string{"lab-1"}},
	}
	return append(append(all, pythonClients(t)...), nodeClients(t)...)
}

func pythonClients(t *testing.T) []client {
	t.Helper()
	script := absolute(t, "python/client.py")
	all := []client{
		{name: "python-urllib"}, {name: "python-requests", method: "POST", body: 20}, {name: "python-httpx", says: []string{"HTTP/1.1"}},
		{name: "python-httpx-h2", says: []string{"HTTP/2"}}, {name: "python-httpx-async"}, {name: "python-aiohttp"},
	}
	for i := range all {
		all[i].command = []string{"/usr/bin/python3", script, all[i].name, models}
		all[i].says = append(all[i].says, "lab-1")
	}
	return all
}

func nodeClients(t *testing.T) []client {
	t.Helper()
	script := absolute(t, "node/client.mjs")
	if _, err := os.Stat(filepath.Join(filepath.Dir(script), "node_modules")); err != nil {
		t.Fatalf("%v: run test/clients/deps first", err)
	}
	all := []client{
		{name: "node-axios", says: []string{"lab-1"}}, {name: "node-openai", says: []string{"lab-1"}},
		{name: "node-openai-stream", says: []string{"3 events"}, method: "POST", body: -1},
	}
	for i := range all {
		all[i].command = []string{"node", script, all[i].name, models}
	}
	return all
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestClient: each client arrives once, authenticated, and saw no key: R001,
// for the programs people use.
func TestClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.arrive(t, clients(t, w))
}

// arrive lets each client make its request as a user who is logged in.
func (w *world) arrive(t *testing.T, all []client) {
	t.Helper()
	w.env = set(w.env, "PATH", filepath.Dir(w.bin)+":"+variables(w.env)["PATH"])
	key := w.Canary("openai")
	w.Require("api.openai.com", key)
	w.login(t, "openai", key)
	t.Run("R001", func(t *testing.T) {
		for _, c := range all {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				w.runClient(t, c, key)
			})
		}
	})
}

func (w *world) runClient(t *testing.T, c client, key string) {
	t.Helper()
	environment := filepath.Join(w.Dir(), "env-"+c.name)
	record := []string{"run", "--", "sh", "-c", `env >"$0" && exec "$@"`, environment}
	cmd := w.cmd(t, append(record, c.command...)...)
	if c.stdin != "" {
		file, err := os.Open(c.stdin)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		cmd.Stdin = file
	}
	r := w.finish(t, cmd)
	if r.code != 0 {
		t.Fatal(r)
	}
	contains(t, "output", r.stdout+r.stderr, c.says...)
	data, err := os.ReadFile(environment)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "OPENAI_API_KEY", variables(strings.Split(string(data), "\n"))["OPENAI_API_KEY"], placeholder)
	w.arrivedOnce(t, c, key)
}

func (w *world) arrivedOnce(t *testing.T, c client, key string) {
	t.Helper()
	var got []lab.Record
	for _, r := range w.Requests() {
		if r.Get("Lab-Client") == c.name {
			got = append(got, r)
		}
	}
	if len(got) != 1 {
		t.Fatalf("%d requests arrived, want 1: %v", len(got), got)
	}
	r := got[0]
	equal(t, "Authorization", strings.Join(r.Values("Authorization"), ", "), "Bearer "+key)
	equal(t, "TLS", r.TLS, true)
	equal(t, "SNI", r.SNI, "api.openai.com")
	equal(t, "CONNECT target", r.Via, "api.openai.com:443")
	equal(t, "host", r.Host, "api.openai.com")
	equal(t, "method", r.Method, or(c.method, "GET"))
	if c.body >= 0 {
		equal(t, "body's length", r.BodyLen, c.body)
	}
	equal(t, "complete", r.Complete, true)
	if strings.Contains(fmt.Sprint(r.Fields), placeholder) {
		t.Errorf("the placeholder arrived: %s", r)
	}
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// TestClient_go: net/http, a program that stays, over HTTP/2 and one tunnel.
func TestClient_go(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := w.Canary("openai")
	w.login(t, "openai", key)
	run := w.start(t, "caller")
	for range 3 {
		a := run.get(t, models)
		equal(t, "status", a.Status, 200)
		equal(t, "protocol", a.Proto, "HTTP/2.0")
		contains(t, "body", a.Body, "lab-1")
	}
	equal(t, "exit", run.end(t), 0)
	for _, r := range w.requests("api.openai.com") {
		equal(t, "Authorization", strings.Join(r.Values("Authorization"), ", "), "Bearer "+key)
	}
	equal(t, "requests", len(w.requests("api.openai.com")), 3)
}

// TestClient_events: an event is at the client before the server sends the
// next.
func TestClient_events(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"--http1.1", "--http2"} {
		t.Run(strings.TrimLeft(version, "-"), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.login(t, "openai", w.Canary("openai"))
			seen := make(chan struct{})
			w.Handle("api.openai.com/events", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				rw.Header().Set("Content-Type", "text/event-stream")
				for _, event := range []string{"one", "two", "three"} {
					fmt.Fprintf(rw, "data: %s\n\n", event)
					_ = http.NewResponseController(rw).Flush()
					select {
					case <-seen:
					case <-time.After(patience):
					}
				}
			}))
			cmd := w.cmd(t, "run", "--", "curl", "-sSN", version, "https://api.openai.com/events")
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewReader(out)
			for _, event := range []string{"one", "two", "three"} {
				line, err := lines.ReadString('\n')
				if line != "data: "+event+"\n" {
					t.Fatalf("%q, %v", line, err)
				}
				_, _ = lines.ReadString('\n')
				seen <- struct{}{}
			}
			if rest, err := io.ReadAll(lines); len(rest) > 0 || err != nil {
				t.Errorf("then %q, %v", rest, err)
			}
			if err := cmd.Wait(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestClient_injection: the key goes where the provider's API wants it, and
// the placeholder the client sent is gone.
func TestClient_injection(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cases := []struct {
		provider, key, url string
		field, value       string // as it arrives; %s is the key
		send               string // what the client sends instead
	}{
		{"openai", w.Canary("openai"), "https://eu.api.openai.com/v1/models", "Authorization", "Bearer %s", "Authorization: Bearer " + placeholder},
		{"github", w.CanaryAs("github", "ghp_%s"), "https://api.github.com/user", "Authorization", "Bearer %s", "Authorization: token " + placeholder},
		{"anthropic", w.CanaryAs("anthropic", "sk-ant-%s"), "https://api.anthropic.com/v1/messages", "X-Api-Key", "%s", "x-api-key: " + placeholder},
		{"gemini", w.CanaryAs("gemini", "AIza%s"), "https://generativelanguage.googleapis.com/v1beta/models", "X-Goog-Api-Key", "%s", "x-goog-api-key: " + placeholder},
	}
	for _, c := range cases {
		w.login(t, c.provider, c.key)
	}
	w.Reset() // a login may ask who has logged in
	for _, c := range cases {
		t.Run(c.provider, func(t *testing.T) {
			t.Parallel()
			r := w.ok(t, "run", "--", "curl", "-sS", "--fail-with-body", "-H", c.send, c.url)
			host := strings.Split(c.url, "/")[2]
			got := w.requests(host)
			if len(got) != 1 {
				t.Fatalf("%v: %s", got, r)
			}
			equal(t, c.field, strings.Join(got[0].Values(c.field), ", "), fmt.Sprintf(c.value, c.key))
			if text := fmt.Sprint(got[0].Fields); strings.Contains(text, placeholder) {
				t.Errorf("the placeholder arrived: %s", got[0])
			}
		})
	}
}

// TestClient_git: what nobody claims is a blind tunnel. git sees the server's
// own certificate, and the server no key.
func TestClient_git(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.login(t, "openai", w.Canary("openai"))
	repository := filepath.Join(w.Dir(), "srv", "cheese.git")
	for _, args := range [][]string{
		{"init", "-q", "--bare", "-b", "main", repository},
		{"init", "-q", "-b", "main", "work"},
		{"-C", "work", "-c", "user.name=r", "-c", "user.email=r@example.com", "commit", "-q", "--allow-empty", "-m", "squeak"},
		{"-C", "work", "push", "-q", repository, "main"},
	} {
		git := exec.Command("git", args...)
		git.Env, git.Dir = w.env, w.tmp
		if r := w.finish(t, git); r.code != 0 {
			t.Fatalf("git %v: %s", args, r)
		}
	}
	w.Handle("git.example.org/", gitBackend(t, filepath.Dir(repository)))
	r := w.ok(t, "run", "--", "git", "ls-remote", "https://git.example.org/cheese.git")
	contains(t, "git ls-remote", r.stdout, "refs/heads/main")
	r = w.ok(t, "run", "--", "git", "clone", "-q", "https://git.example.org/cheese.git", "clone")
	if _, err := os.Stat(filepath.Join(w.tmp, "clone", ".git", "refs")); err != nil {
		t.Errorf("%v: %s", err, r)
	}
	if len(w.requests("git.example.org")) < 2 {
		t.Error("git did not come through the proxy")
	}
	for _, r := range w.requests("git.example.org") {
		equal(t, "Authorization", r.Get("Authorization"), "")
		w.bare(t, r)
	}
}

// TestClient_unclaimed: https://example.com/ passes as it is, with the
// server's own certificate.
func TestClient_unclaimed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.login(t, "openai", w.Canary("openai"))
	r := w.ok(t, "run", "--", "curl", "-sSv", "https://example.com/")
	contains(t, "curl -v", r.stderr, "issuer: CN=authsome lab root")
	contains(t, "answer", r.stdout, `"host":"example.com"`)
	got := w.requests("example.com")
	if len(got) != 1 {
		t.Fatal(got)
	}
	equal(t, "Authorization", len(got[0].Values("Authorization")), 0)
	equal(t, "SNI", got[0].SNI, "example.com")
	w.bare(t, got[0])
}

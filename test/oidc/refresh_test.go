//go:build linux

package oidc_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// How many use an expired token at once.
const (
	processes = 10
	requests  = 100 // by each
)

// crowd is a child of `run`: when a line comes in it sends its requests at
// once, and says how they were answered.
func crowd() error {
	in := bufio.NewReader(os.Stdin)
	fmt.Println(`"ready"`)
	if _, err := in.ReadString('\n'); err != nil {
		return err
	}
	var mu sync.Mutex // guards answers
	answers := map[string]int{}
	http.DefaultTransport.(*http.Transport).MaxConnsPerHost = 1 // HTTP/2: all requests are under way together
	var all sync.WaitGroup
	for range requests {
		all.Go(func() {
			answer := ask("crowd")
			mu.Lock()
			defer mu.Unlock()
			answers[answer]++
		})
	}
	all.Wait()
	return json.NewEncoder(os.Stdout).Encode(answers)
}

// ask sends one request to the API and returns how it was answered.
func ask(path string) string {
	resp, err := http.Get(resource + path)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err.Error()
	}
	return strings.TrimSpace(fmt.Sprint(resp.StatusCode, " ", resp.Header.Get("Authsome-Error")))
}

// A member is one `authsome run` of the crowd.
type member struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *json.Decoder
	stderr transcript
}

// gather starts the crowd, of which nobody has sent anything.
func (w *world) gather(t *testing.T, n int) []*member {
	t.Helper()
	members := make([]*member, n)
	for i := range members {
		m := &member{cmd: with(w.cmd(t, "run", "--", self(t)), childVariable+"=crowd")}
		m.cmd.Stderr = &m.stderr
		var err error
		if m.stdin, err = m.cmd.StdinPipe(); err != nil {
			t.Fatal(err)
		}
		stdout, err := m.cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		m.stdout = json.NewDecoder(stdout)
		if err := m.cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = m.cmd.Process.Kill(); _ = m.cmd.Wait() })
		members[i] = m
	}
	for _, m := range members {
		m.read(t, new(string))
	}
	return members
}

func (m *member) read(t *testing.T, v any) {
	t.Helper()
	if err := m.stdout.Decode(v); err != nil {
		t.Fatalf("a member of the crowd: %v\n%s", err, m.stderr.String())
	}
}

// rush lets the crowd go, and fails the test unless all is answered 200.
func rush(t *testing.T, members []*member) {
	t.Helper()
	for _, m := range members {
		if _, err := io.WriteString(m.stdin, "go\n"); err != nil {
			t.Fatal(err)
		}
	}
	total := map[string]int{}
	for _, m := range members {
		var answers map[string]int
		m.read(t, &answers)
		for answer, n := range answers {
			total[answer] += n
		}
		if err := m.cmd.Wait(); err != nil || m.stderr.String() != "" {
			t.Errorf("a run ended with %v and said: %s", err, m.stderr.String())
		}
	}
	if total["200"] != len(members)*requests || len(total) != 1 {
		t.Errorf("answers are %v, want %d times 200", total, len(members)*requests)
	}
}

// TestRefresh_I8_crowd: a thousand users of an expired token in ten processes
// make one refresh, by a server that ends the grant when a refresh token is used
// a second time; the one they use is the result of a refresh itself. The
// test has the machine to itself: a thousand handshakes take their time.
func TestRefresh_I8_crowd(t *testing.T) {
	w := newWorld(t)
	w.server.lifetime(t, w.client.id, 1)
	w.login(t)
	time.Sleep(1100 * time.Millisecond)
	if token, r := w.token(t, "example"); token == "" {
		t.Fatalf("the first refresh: %s", r)
	}
	equal(t, "refreshes", w.server.refreshes(t, w.client.id), 1)
	once := w.server.last(t, w.client.id, "RefreshToken")

	members := w.gather(t, processes) // by now the token has expired again
	w.server.lifetime(t, w.client.id, 600)
	rush(t, members)
	equal(t, "refreshes", w.server.refreshes(t, w.client.id), 2)
	twice := w.server.last(t, w.client.id, "RefreshToken")
	if once == twice {
		t.Error("the refresh token was not rotated, which proves little")
	}
	w.server.alive(t, "the grant", twice, true)
	token, _ := w.token(t, "example")
	equal(t, "the token is the newest", token == w.server.last(t, w.client.id, "AccessToken"), true)
	equal(t, "status", w.status(t, "example"), "connected")
	for _, e := range w.server.token(t, w.client.id, "refresh_token") {
		equal(t, "a refresh", e.Error, "")
	}
	w.guard(t, w.client.id, "AccessToken", "RefreshToken")
	w.Search(t, w.Dir())
}

// TestRefresh_O025_unauthorized: when the API refuses a token that looks good,
// it is renewed once, and every request is sent once more.
func TestRefresh_O025_unauthorized(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.login(t)
	// One that is younger than a minute is not renewed for that.
	time.Sleep(61 * time.Second)
	old := w.server.last(t, w.client.id, "AccessToken")
	w.server.forget(t, "AccessToken", old)
	w.server.alive(t, "the token", old, false)
	w.server.alive(t, "the grant", w.server.last(t, w.client.id, "RefreshToken"), true)
	members := w.gather(t, 3)
	w.Reset()
	rush(t, members)
	equal(t, "refreshes", w.server.refreshes(t, w.client.id), 1)
	fresh := w.server.last(t, w.client.id, "AccessToken")
	sent := map[string]int{}
	for _, r := range w.Requests() {
		if r.Host == "api.example.test" {
			sent[strings.TrimPrefix(r.Get("Authorization"), "Bearer ")]++
		}
	}
	equal(t, "requests with the new token", sent[fresh], 3*requests)
	equal(t, "different tokens", len(sent), 2)
	if n := sent[old]; n < 1 || n > 3*requests {
		t.Errorf("%d requests went with the old token", n)
	}
	w.server.alive(t, "the grant", w.server.last(t, w.client.id, "RefreshToken"), true)
}

//go:build linux

package clients_test

import (
	"testing"
	"time"
)

// soon is how long a running proxy may take to notice a change.
const soon = time.Second

// changed waits until the caller's requests show a change that has just been
// made elsewhere. A request that started later than soon has to.
func (r *running) changed(t *testing.T, what, url string, shows func(a answer, authorization string) bool) {
	t.Helper()
	made := time.Now()
	for {
		before := len(r.w.Requests())
		started := time.Now()
		a := r.get(t, url)
		authorization := ""
		if arrived := r.w.Requests()[before:]; len(arrived) > 0 {
			authorization = arrived[len(arrived)-1].Get("Authorization")
		}
		if shows(a, authorization) {
			return
		}
		if late := started.Sub(made); late > soon {
			t.Fatalf("%s: not seen by a request %v later: %+v", what, late, a)
		}
	}
}

func uses(key string) func(answer, string) bool {
	return func(a answer, authorization string) bool { return a.Status == 200 && authorization == "Bearer "+key }
}

// TestLive_R050: what other processes change is in force in a run within a
// second, on connections that are open already.
func TestLive_R050(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first, second, rotated, work := w.Canary("first"), w.Canary("second"), w.Canary("rotated"), w.Canary("work")
	w.login(t, "openai", first)
	run := w.start(t, "caller")
	run.changed(t, "start", models, uses(first))

	w.ok(t, "logout", "openai")
	run.changed(t, "logout", models, func(a answer, _ string) bool { return a.Status == 403 && a.Code == "not_connected" })
	requests := len(w.Requests())
	equal(t, "status while logged out", run.get(t, models).Status, 403)
	equal(t, "requests while logged out", len(w.Requests()), requests)

	w.login(t, "openai", second)
	run.changed(t, "login", models, uses(second))
	w.login(t, "openai", rotated, "--force")
	run.changed(t, "rotated key", models, uses(rotated))
	w.login(t, "openai", work, "--connection", "work")
	w.ok(t, "default", "openai", "work")
	run.changed(t, "default", models, uses(work))

	equal(t, "exit", run.end(t), 0)
}

// TestLive_R050_new_host: new connections are intercepted for a provider that
// was known when the run started, and connected since. A blind tunnel that was
// open already stays blind: nobody can put a credential into it.
func TestLive_R050_new_host(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := w.Canary("acme")
	w.define(t, "acme", "api.acme.example")
	run := w.start(t, "caller")
	equal(t, "issuer before login", run.get(t, "https://api.acme.example/").Issuer, labIssuer)
	w.login(t, "acme", key)
	run.changed(t, "login", "fresh https://api.acme.example/", uses(key))
	equal(t, "exit", run.end(t), 0)
}

// TestLive_R050_registered: a host that nobody had claimed when the run
// started is intercepted too; programs that start after the registration find
// the authority for it in the run's files.
func TestLive_R050_registered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := w.Canary("later")
	run := w.cmd(t, "run", "--", "sh", "-c", `echo running; read -r _; exec curl -sS --fail-with-body --retry 20 --retry-all-errors --retry-delay 0 https://api.later.example/`)
	in, err := run.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	started := make(chan struct{})
	go func() {
		defer close(started)
		defer in.Close()
		w.define(t, "later", "api.later.example")
		w.login(t, "later", key)
		time.Sleep(soon) // what is promised, not a guess
		_, _ = in.Write([]byte("go\n"))
	}()
	r := w.finish(t, run)
	<-started
	if r.code != 0 {
		t.Fatal(r)
	}
	equal(t, "Authorization", w.requests("api.later.example")[0].Get("Authorization"), "Bearer "+key)
}

// TestLive_register: a definition that is replaced counts as soon.
func TestLive_register(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := w.Canary("acme")
	w.define(t, "acme", "api.acme.example")
	w.login(t, "acme", key)
	run := w.start(t, "caller")
	run.changed(t, "start", "https://api.acme.example/", uses(key))
	w.defineWith(t, "acme", "api.acme.example", `[{"kind": "header", "name": "Authorization", "value": "Token {api_key}"}]`)
	run.changed(t, "register", "https://api.acme.example/", func(a answer, authorization string) bool {
		return a.Status == 200 && authorization == "Token "+key
	})
	equal(t, "exit", run.end(t), 0)
}

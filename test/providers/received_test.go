// Package providers_test shows, for every bundled definition, what an API
// receives: the real binary runs a program that calls each host of each
// provider with a placeholder, and an upstream under these names records what
// arrives.
package providers_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"authsome/test/lab"
)

// callsVariable makes the test binary a program that makes the calls in the
// file it names.
const callsVariable = "PROVIDERS_CALLS"

// patience is how long a run may take on a machine that has other things to do.
const patience = 3 * time.Minute

func TestMain(m *testing.M) {
	file := os.Getenv(callsVariable)
	if file == "" {
		os.Exit(m.Run())
	}
	if err := makeCalls(file); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// call is one request of the program: what a client makes that has the
// placeholder for a key.
type call struct {
	URL    string
	Header http.Header
	Body   string // of a POST; without one it is a GET
}

func makeCalls(file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var calls []call
	if err := json.Unmarshal(data, &calls); err != nil {
		return err
	}
	work, failures := make(chan call), make(chan error, len(calls))
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			for c := range work {
				failures <- c.make()
			}
		})
	}
	for _, c := range calls {
		work <- c
	}
	close(work)
	workers.Wait()
	close(failures)
	for err := range failures {
		if err != nil {
			return err
		}
	}
	return nil
}

func (c call) make() error {
	method := http.MethodGet
	if c.Body != "" {
		method = http.MethodPost
	}
	req, err := http.NewRequest(method, c.URL, strings.NewReader(c.Body))
	if err != nil {
		return err
	}
	req.Header = c.Header
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("%s: %w", req.URL.Host, err)
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return fmt.Errorf("%s: %w", req.URL.Host, err)
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s %s", req.URL.Host, res.Status, res.Header.Get("Authsome-Error"))
	}
	return nil
}

// TestReceived calls every host rule of every bundled provider, with all of
// them connected at once where their rules tell them apart, and compares what
// the upstream received with what the definition says, whole: the credential
// is where the vendor wants it, nowhere else, and no placeholder is left. It
// prints the table provider, kind, what was received.
func TestReceived(t *testing.T) {
	w := newWorld(t)
	for _, group := range w.groups() {
		w.run(group)
	}
	w.print()
}

// run makes all calls of the accounts in one run.
func (w *world) run(group []*account) {
	w.t.Helper()
	w.lab.Reset()
	var calls []call
	var only []string
	for _, a := range group {
		only = append(only, a.def.Name)
		for _, rule := range a.def.Rules {
			calls = append(calls, a.call(rule))
		}
	}
	data, err := json.Marshal(calls)
	if err != nil {
		w.t.Fatal(err)
	}
	file := filepath.Join(w.lab.Dir(), "calls.json")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, lab.Build(w.t), "run", "--only", strings.Join(only, ","), "--", os.Args[0])
	cmd.Env = append(w.env, callsVariable+"="+file)
	if out, err := cmd.CombinedOutput(); err != nil {
		w.t.Fatalf("%v\n%s", err, out)
	}
	w.compare(group)
}

// compare looks for the one request of each rule.
func (w *world) compare(group []*account) {
	w.t.Helper()
	records := map[string][]lab.Record{}
	for _, r := range w.lab.Requests() {
		path, _, _ := strings.Cut(r.Target, "?")
		path, _, _ = strings.Cut(path, "/~") // behind it are the secrets of kind path
		records[r.Host+path] = append(records[r.Host+path], r)
	}
	for _, a := range group {
		for _, rule := range a.def.Rules {
			at := sample(rule) + samplePath(rule) + "/" + a.def.Name
			if got := records[at]; len(got) != 1 {
				w.t.Errorf("%s: %d requests reached %s", a.def.Name, len(got), at)
			} else {
				a.check(w.t, rule, got[0])
			}
		}
	}
}

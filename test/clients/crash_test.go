//go:build linux

package clients_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// until waits for a condition.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, patience)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// drained waits until the other end has read all that is in a pipe.
func drained(t *testing.T, pipe *os.File) {
	t.Helper()
	until(t, "read what is in the pipe", func() bool {
		n, err := unix.IoctlGetInt(int(pipe.Fd()), unix.TIOCINQ)
		return err == nil && n == 0
	})
}

// kills is how many logins are killed.
const kills = 200

// TestCrash_V004_login: logins that die at any instant lose nothing that was
// acknowledged, and leave a vault that opens.
func TestCrash_V004_login(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := w.Canary("openai")
	start := time.Now()
	w.login(t, "openai", key)
	typical := time.Since(start)
	acknowledged := map[string]string{"OPENAI_API_KEY": key}
	var mu sync.Mutex // guards acknowledged
	var lanes sync.WaitGroup
	for lane := range 4 {
		lanes.Go(func() {
			latest := typical // moves to where half of the logins make it
			for i := range kills / 4 {
				name := fmt.Sprintf("c%dx%d", lane, i)
				if !w.killedLogin(t, name, key+name, rand.N(latest)) {
					latest += latest / 10
					continue
				}
				latest -= latest / 10
				mu.Lock()
				acknowledged["OPENAI_API_KEY_"+strings.ToUpper(name)] = key + name
				mu.Unlock()
			}
		})
	}
	lanes.Wait()
	if n := len(acknowledged) - 1; n < kills/10 || n > kills*9/10 {
		t.Errorf("%d of %d logins were acknowledged, which proves little", n, kills)
	}
	for name, status := range w.connections(t)["openai"] {
		equal(t, "status of "+name, status, "connected")
	}
	exported := w.export(t)
	for name, value := range acknowledged {
		if exported[name] != value {
			t.Errorf("%s was acknowledged and is lost", name)
		}
	}
	for name, value := range exported {
		if _, ok := acknowledged[name]; !ok && value != key+strings.ToLower(strings.TrimPrefix(name, "OPENAI_API_KEY_")) {
			t.Errorf("%s holds what was never stored", name)
		}
	}
	w.login(t, "openai", key, "--connection", "after")
	contains(t, "doctor", w.ok(t, "doctor").stdout, "vault")
}

// killedLogin starts a login, kills it after some time and reports whether it
// was acknowledged before.
func (w *world) killedLogin(t *testing.T, name, key string, after time.Duration) bool {
	cmd := w.cmd(t, "login", "openai", "--with-token", "--connection", name)
	var said lockedBuffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(key), &said, &said
	if err := cmd.Start(); err != nil {
		t.Error(err)
		return false
	}
	timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	timer.Stop()
	w.SearchBytes(t, "output", []byte(said.String()))
	if status := cmd.ProcessState.Sys().(syscall.WaitStatus); err != nil && !status.Signaled() {
		t.Errorf("login %s: %v: %s", name, err, said.String())
	}
	return err == nil
}

// export is every credential by the name of its variable.
func (w *world) export(t *testing.T) map[string]string {
	t.Helper()
	r := w.finishWithSecrets(t, w.cmd(t, "export", "--format", "json"))
	var values map[string]string
	if err := json.Unmarshal([]byte(r.stdout), &values); err != nil || r.code != 0 {
		t.Fatalf("export: %v: exit %d: %s", err, r.code, r.stderr)
	}
	return values
}

// TestCrowd_V018_login: logins that all make the vault at once.
func TestCrowd_V018_login(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const crowd = 20
	folder := filepath.Join(w.home, "providers")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for i := range crowd {
		name := fmt.Sprintf("p%02d", i)
		definition := fmt.Sprintf(`{"schema_version": 1, "name": %q, "display_name": "P", "auth_type": "api_key", "flow": "api_key", "host_url": "%s.example.com",
			"inject": [{"kind": "header", "name": "X-Key", "value": "{api_key}"}], "export": {"env": {"api_key": ["%s_KEY"]}}}`, name, name, strings.ToUpper(name))
		if err := os.WriteFile(filepath.Join(folder, name+".json"), []byte(definition), 0o600); err != nil {
			t.Fatal(err)
		}
		want[name] = w.Canary(name)
	}
	var all sync.WaitGroup
	for name, key := range want {
		cmd := w.cmd(t, "login", name, "--with-token")
		cmd.Stdin = strings.NewReader(key)
		all.Go(func() {
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("login %s: %v: %s", name, err, out)
			}
		})
	}
	all.Wait()
	exported := w.export(t)
	for name, key := range want {
		equal(t, name+"'s key is there", exported[strings.ToUpper(name)+"_KEY"] == key, true)
	}
	equal(t, "credentials", len(exported), crowd)
}

// P007: if authsome is killed, its child is told, nobody listens any more, and
// the next run removes what was left, which held no secret.
func TestRun_P007_killed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.login(t, "openai", w.Canary("openai"))
	run := w.start(t, "hold")
	proxy := strings.TrimPrefix(run.environ(t)["HTTPS_PROXY"], "http://")
	if err := run.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	var last string
	run.read(t, &last)
	equal(t, "the child's last word", last, "terminated")
	equal(t, "exit", run.wait(t), 128+9)
	equal(t, "folders left", len(w.runFolders(t)), 1)
	noPrivateKey(t, w.Dir())
	w.Search(t, w.Dir())
	if refused := w.knockAs(t, os.Getuid(), self(t), proxy); refused.Err == "" {
		t.Errorf("something answers on the proxy's port: %+v", refused)
	}
	w.ok(t, "run", "--", "true")
	equal(t, "folders left by the next run", len(w.runFolders(t)), 0)
}

// TestCrowd_P027: many runs, one after the other and at once, leave nothing.
func TestCrowd_P027_runs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bin := filepath.Join(w.Dir(), "bin")
	if err := os.Mkdir(bin, 0o700); err != nil {
		t.Fatal(err)
	}
	w.bin = copyTo(t, w.bin, bin) // a path by which its processes are known
	w.login(t, "openai", w.Canary("openai"))
	for range 60 {
		w.ok(t, "run", "--", "true")
	}
	var all sync.WaitGroup
	for range 20 {
		cmd := w.cmd(t, "run", "--", "true")
		all.Go(func() {
			if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	all.Wait()
	equal(t, "run folders", strings.Join(w.runFolders(t), " "), "")
	equal(t, "TMPDIR", len(names(t, w.tmp)), 0)
	equal(t, "processes", strings.Join(processes(t, w.bin), " "), "")
}

func names(t *testing.T, folder string) []string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, entry := range entries {
		all = append(all, entry.Name())
	}
	return all
}

// processes are those with path in their command line. Without one of them
// nobody holds a port.
func processes(t *testing.T, path string) []string {
	t.Helper()
	var found []string
	for _, pid := range names(t, "/proc") {
		line, err := os.ReadFile(filepath.Join("/proc", pid, "cmdline"))
		if err == nil && strings.Contains(string(line), path) {
			found = append(found, pid)
		}
	}
	return found
}

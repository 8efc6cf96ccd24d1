//go:build linux

package clients_test

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A keyring is a D-Bus session with gnome-keyring in it.
type keyring struct {
	w         *world
	bus, ring *exec.Cmd
}

// newKeyring starts a session and unlocks its keyring. w's programs are in it.
func newKeyring(t *testing.T, w *world) *keyring {
	t.Helper()
	k := &keyring{w: w}
	runtime := filepath.Join(w.Dir(), "runtime")
	if err := os.Mkdir(runtime, 0o700); err != nil {
		t.Fatal(err)
	}
	w.env = append(w.env, "XDG_RUNTIME_DIR="+runtime)
	k.bus = k.daemon(t, "dbus-daemon", "--session", "--nofork", "--nopidfile", "--print-address")
	out, err := k.bus.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := k.bus.Start(); err != nil {
		t.Fatal(err)
	}
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	w.env = append(w.env, "DBUS_SESSION_BUS_ADDRESS="+strings.TrimSpace(address))
	k.ring = k.daemon(t, "gnome-keyring-daemon", "--foreground", "--unlock", "--components=secrets")
	k.ring.Stdin = strings.NewReader("squeak")
	if err := k.ring.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, "store something in the keyring", func() bool { return k.secretTool("hello", "store", "--label=ready", "lab", "ready") == nil })
	return k
}

func (k *keyring) daemon(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env, cmd.Dir = k.w.env, k.w.tmp
	t.Cleanup(func() { stop(cmd) })
	return cmd
}

func stop(cmd *exec.Cmd) {
	if cmd.Process != nil && cmd.ProcessState == nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
}

func (k *keyring) secretTool(input string, args ...string) error {
	cmd := exec.Command("secret-tool", args...)
	cmd.Env, cmd.Stdin = k.w.env, strings.NewReader(input)
	return cmd.Run()
}

// lock locks the collection that the key is in.
func (k *keyring) lock(t *testing.T) {
	t.Helper()
	cmd := exec.Command("dbus-send", "--session", "--print-reply", "--dest=org.freedesktop.secrets", "/org/freedesktop/secrets",
		"org.freedesktop.Secret.Service.Lock", "array:objpath:/org/freedesktop/secrets/collection/login")
	cmd.Env = k.w.env
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "collection/login") {
		t.Fatalf("lock: %v: %s", err, out)
	}
}

func (w *world) keySource(t *testing.T) string {
	t.Helper()
	var me struct {
		Source string `json:"key_source"`
	}
	if err := json.Unmarshal([]byte(w.ok(t, "whoami", "--json").stdout), &me); err != nil {
		t.Fatal(err)
	}
	return me.Source
}

func (w *world) noKeyFile(t *testing.T) {
	t.Helper()
	if _, err := os.Lstat(filepath.Join(w.home, "vault.key")); !os.IsNotExist(err) {
		t.Errorf("a key file appeared: %v", err)
	}
}

// unavailable: without its keyring the vault does not open, soon, with a
// reason, and nothing takes the key's place.
func (w *world) unavailable(t *testing.T, limit time.Duration) {
	t.Helper()
	for _, args := range [][]string{{"list"}, {"run", "--", "true"}, {"login", "openai", "--with-token", "--force"}} {
		cmd := w.cmd(t, args...)
		cmd.Stdin = strings.NewReader("sk-" + strings.Repeat("x", 32))
		r := w.finish(t, cmd)
		want := 7
		if args[0] == "run" {
			want = 125
		}
		if r.code != want || !strings.Contains(r.stderr, "keyring") {
			t.Errorf("%s: want exit %d: %s", args[0], want, r)
		}
		if r.took > limit {
			t.Errorf("%s took %v", args[0], r.took)
		}
		w.noKeyFile(t)
	}
}

// V012: the vault's key in a real OS keyring, and every way in which that can
// fail. Our own limit for it is 4 s; 8 s leave room for a busy machine, and
// are less than any time-out of D-Bus (25 s).
func TestKeyring_V012(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := newKeyring(t, w)
	key := w.Canary("openai")
	w.login(t, "openai", key)
	equal(t, "key source", w.keySource(t), "keyring")
	w.noKeyFile(t)
	equal(t, "status", w.connections(t)["openai"]["default"], "connected")
	w.ok(t, "run", "--", "curl", "-sS", "--fail-with-body", models)
	equal(t, "Authorization", w.requests(victim)[0].Get("Authorization"), "Bearer "+key)
	if err := k.secretTool("", "lookup", "service", "authsome"); err != nil {
		t.Errorf("no entry in the keyring: %v", err)
	}
	const limit = 8 * time.Second
	t.Run("hangs", func(t *testing.T) {
		if err := k.ring.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		w.unavailable(t, limit)
		if err := k.ring.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		equal(t, "key source when it is back", w.keySource(t), "keyring")
	})
	t.Run("locked", func(t *testing.T) {
		k.lock(t)
		w.unavailable(t, limit)
	})
	t.Run("gone", func(t *testing.T) {
		stop(k.ring)
		stop(k.bus)
		w.unavailable(t, limit)
	})
	t.Run("no session", func(t *testing.T) {
		w.env = unset(w.env, "DBUS_SESSION_BUS_ADDRESS")
		w.unavailable(t, limit)
	})
}

// V013: no keyring, no display, no terminal, and hardly an environment: the
// key is in a file of the user's alone, which authsome says.
func TestKeyring_V013_headless(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cmd := w.cmd(t, "login", "openai", "--with-token")
	cmd.Stdin = strings.NewReader(w.Canary("openai"))
	r := w.finish(t, cmd)
	equal(t, "login", r.code, 0)
	contains(t, "notice", r.stderr, "vault.key")
	equal(t, "key source", w.keySource(t), "file")
	info, err := os.Stat(filepath.Join(w.home, "vault.key"))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "mode", info.Mode(), 0o600)
}

//go:build linux

package clients_test

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// What the spy found: what it was denied, by what it tried, and what it got.
type findings struct {
	Denied map[string]bool
	Read   map[string][]byte
}

// spyOnParent looks for the key everywhere a child can: after the key was used.
func spyOnParent() error {
	found := findings{map[string]bool{}, map[string][]byte{}}
	found.Read["answer"] = []byte(fmt.Sprint(fetch("https://" + victim + "/headers")))
	found.Read["environment"] = []byte(strings.Join(os.Environ(), "\n"))
	parent := fmt.Sprintf("/proc/%d/", os.Getppid())
	for _, name := range []string{"environ", "mem", "maps", "smaps", "auxv", "pagemap", "syscall", "stack", "io"} {
		data, err := readSome(parent + name)
		found.note(name, data, err)
	}
	for _, name := range []string{"fd", "fdinfo", "map_files"} {
		entries, err := os.ReadDir(parent + name)
		found.note(name, fmt.Append(nil, entries), err)
	}
	for _, name := range []string{"exe", "cwd", "root"} {
		target, err := os.Readlink(parent + name)
		found.note(name, []byte(target), err)
	}
	for _, name := range []string{"cmdline", "status", "comm"} {
		found.Read[name], _ = os.ReadFile(parent + name) // everybody may
	}
	found.note("ptrace", nil, syscall.PtraceAttach(os.Getppid()))
	if err := found.addFolder(filepath.Dir(os.Getenv("SSL_CERT_FILE"))); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(found)
}

func readSome(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, 1<<20))
}

func (f findings) note(name string, data []byte, err error) {
	f.Denied[name] = err != nil
	f.Read[name] = data
}

// addFolder reads the files of the run.
func (f findings) addFolder(folder string) error {
	return filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		f.Read[path], err = os.ReadFile(path)
		return err
	})
}

// TestSpy is invariant I6: a child that looks for the key does not find it.
func TestSpy_I6(t *testing.T) {
	t.Parallel()
	if !asUser(t) {
		return
	}
	w := newWorld(t)
	key := w.Canary("openai")
	w.login(t, "openai", key)
	w.env = append(w.env, "OPENAI_API_KEY="+key) // the child must not inherit it
	run := w.start(t, "spy")
	var found findings
	run.read(t, &found)
	equal(t, "exit", run.end(t), 0)
	equal(t, "Authorization", w.requests(victim)[0].Get("Authorization"), "Bearer "+key)
	for name, denied := range found.Denied {
		if !denied {
			t.Errorf("%s of authsome can be had: %d bytes", name, len(found.Read[name]))
		}
	}
	equal(t, "things tried", len(found.Denied), 16)
	for name, data := range found.Read {
		w.SearchBytes(t, name, data)
		if strings.Contains(string(data), "PRIVATE KEY") {
			t.Errorf("a private key in %s", name)
		}
	}
	contains(t, "the answer", string(found.Read["answer"]), placeholder)
}

// P011: the child has the descriptors it would have without us.
func TestSpy_P011_descriptors(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.login(t, "openai", w.Canary("openai"))
	direct := exec.Command("ls", "/proc/self/fd")
	direct.Env = w.env
	want := w.finish(t, direct)
	got := w.ok(t, "run", "--", "ls", "/proc/self/fd")
	equal(t, "descriptors", got.stdout, want.stdout)
}

// P015: whoever makes authsome crash gets neither a core nor a key.
func TestSpy_P015_crash(t *testing.T) {
	t.Parallel()
	if !asUser(t) {
		return
	}
	w := newWorld(t)
	w.login(t, "openai", w.Canary("openai"))
	limit := syscall.Rlimit{}
	if err := syscall.Getrlimit(syscall.RLIMIT_CORE, &limit); err != nil {
		t.Fatal(err)
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_CORE, &limit); err != nil {
		t.Fatal(err)
	}
	env := w.env
	for _, signal := range []syscall.Signal{syscall.SIGABRT, syscall.SIGSEGV, syscall.SIGQUIT} {
		t.Run(signal.String(), func(t *testing.T) {
			w.env = append(env, "GOTRACEBACK=system") // the runtime takes 13 s for "crash" with many threads
			run := w.start(t, "caller")
			equal(t, "status", run.get(t, models).Status, 200)
			if err := run.cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			run.wait(t)
			noCore(t, run.cmd)
		})
		t.Run("login "+signal.String(), func(t *testing.T) {
			w.env = append(env, "GOTRACEBACK=crash") // with which the runtime asks for a core
			crashLogin(t, w, signal)
		})
	}
}

// crashLogin kills a login that has read half of a key.
func crashLogin(t *testing.T, w *world, signal syscall.Signal) {
	t.Helper()
	cmd := w.cmd(t, "login", "openai", "--with-token", "--force")
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	var said lockedBuffer
	cmd.Stdin, cmd.Stderr, cmd.Stdout = in, &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in.Close()
	if _, err := io.WriteString(out, w.Canary("half")); err != nil {
		t.Fatal(err)
	}
	drained(t, out)
	if err := cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if !strings.Contains(said.String(), "goroutine") {
		t.Errorf("no traceback to look at: %s", said.String())
	}
	w.SearchBytes(t, "traceback", []byte(said.String()))
	noCore(t, cmd)
}

// noCore asks the kernel: where a core would go is the machine's business.
func noCore(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	equal(t, "core dumped", cmd.ProcessState.Sys().(syscall.WaitStatus).CoreDump(), false)
}

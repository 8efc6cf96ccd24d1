//go:build unix

package cli_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestOddFolder has 5,000 definitions among all that may lie in a folder: the
// good ones are there, the others are named, and nothing waits or quotes what
// is not ours. It runs as an ordinary user, who can't read everything.
func TestOddFolder(t *testing.T) {
	t.Parallel()
	w := newWorldIn(t, shortDir(t))
	t.Cleanup(func() { w.Search(t, w.dir) })
	for i := range 5000 {
		writeFile(t, w.home("providers", fmt.Sprintf("p%04d.json", i)), acme(fmt.Sprintf("p%04d", i)))
	}
	odd := func(name string) string { return w.home("providers", name) }
	writeFile(t, odd("unreadable.json"), acme("unreadable"))
	writeFile(t, odd("cut.json"), `{"name": "cut", "password": "hunter2`)
	writeFile(t, odd("misnamed.json"), acme("other"))
	writeFile(t, odd("Upper.json"), acme("upper"))
	writeFile(t, odd("comment.jsonc"), acme("comment"))
	writeFile(t, odd(".hidden.json"), acme("hidden"))
	writeFile(t, odd("README"), "no definition\n")
	writeFile(t, odd("huge.json"), acme("huge")+strings.Repeat(" ", 1<<20))
	writeFile(t, odd("open.json"), acme("open"))
	for name, err := range map[string]error{
		"unreadable": os.Chmod(odd("unreadable.json"), 0), "open": os.Chmod(odd("open.json"), 0o666),
		"folder": os.Mkdir(odd("folder.json"), 0o700), "pipe": syscall.Mkfifo(odd("pipe.json"), 0o600),
		"loop": os.Symlink("loop.json", odd("loop.json")), "passwd": os.Symlink("/etc/passwd", odd("passwd.json")),
	} {
		if err != nil {
			t.Fatal(name, err)
		}
	}
	as := ordinaryUser(t, w)
	start := time.Now()
	r := w.invoke(t, invocation{args: []string{"list", "--json"}, prepare: as})
	var listed struct {
		Custom []struct{ Name string } `json:"custom"`
	}
	if err := json.Unmarshal([]byte(r.stdout), &listed); r.code != 0 || err != nil || len(listed.Custom) != 5000 {
		t.Errorf("D013 exit %d, %d definitions, %v: %s", r.code, len(listed.Custom), err, r.stderr)
	}
	for _, name := range []string{"unreadable", "cut", "misnamed", "Upper", "comment", "huge", "open", "folder", "pipe", "loop", "passwd"} {
		if got := strings.Count(r.stderr, "/"+name+".json"); got != 1 {
			t.Errorf("D013 %s.json is named %d times in %s", name, got, r.stderr)
		}
	}
	for _, foreign := range []string{"root:", "hunter2", "no definition", "hidden"} {
		if strings.Contains(r.stdout+r.stderr, foreign) {
			t.Errorf("D013 %q is quoted: %s", foreign, r.stderr)
		}
	}
	t.Logf("list took %v", time.Since(start))
	if d := time.Since(start); d > 20*time.Second {
		t.Errorf("D013 list took %v", d)
	}
	// The others do not stop a run.
	if r := w.invoke(t, invocation{args: []string{"run", "--quiet", "true"}, prepare: as, env: []string{"SSL_CERT_FILE="}}); r.code != 0 {
		t.Errorf("D013 %v", r)
	}
	if err := os.Chmod(odd("unreadable.json"), 0o600); err != nil {
		t.Error(err)
	}
}

// shortDir is a folder whose path is short enough to be shown whole in a
// warning, as a user's home is.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "w")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// ordinaryUser hands the world to a user who is not root and returns what
// makes a program run as that one.
func ordinaryUser(t *testing.T, w *world) func(*exec.Cmd) {
	t.Helper()
	if os.Getuid() != 0 {
		return nil
	}
	const uid = 4321
	binary, err := os.ReadFile(w.binary)
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(w.dir, "authsome")
	if err := os.WriteFile(program, binary, 0o755); err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(w.dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, uid, uid)
	})
	if err != nil {
		t.Fatal(err)
	}
	return func(cmd *exec.Cmd) {
		cmd.Path, cmd.Args[0] = program, program
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	}
}

//go:build linux

package matrix_test

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"authsome/test/lab"
)

// TestLeavesNothing: 100 runs, some of which end by a signal, change nothing in
// the user's home, in the folder for temporary files or in the system's trust
// stores.
func TestLeavesNothing(t *testing.T) {
	t.Parallel()
	l, bin := lab.New(t), lab.Build(t)
	env := l.Env(filepath.Join(l.Dir(), "authsome"))
	login := exec.Command(bin, "login", "openai", "--with-token")
	login.Env, login.Stdin = env, strings.NewReader(l.Canary("openai"))
	if out, err := login.CombinedOutput(); err != nil {
		t.Fatalf("login: %v: %s", err, out)
	}
	watched := []string{filepath.Join(l.Dir(), "home"), filepath.Join(l.Dir(), "tmp"), "/etc/ssl", "/usr/local/share/ca-certificates"}
	before := contents(t, watched)
	var crew sync.WaitGroup
	for worker := range workers() {
		crew.Go(func() {
			for i := worker; i < 100; i += workers() {
				script := "exit 0"
				if i%10 == 0 {
					script = "kill -TERM $PPID; sleep 60"
				}
				cmd := exec.CommandContext(t.Context(), bin, "run", "--", "sh", "-c", script)
				cmd.Env, cmd.Dir = env, l.Dir()
				out, err := cmd.CombinedOutput()
				if ended := err != nil; ended != (i%10 == 0) {
					t.Errorf("run %d: %v: %s", i, err, out)
				}
			}
		})
	}
	crew.Wait()
	if diff := cmp.Diff(before, contents(t, watched)); diff != "" {
		t.Errorf("100 runs have changed (-before +after):\n%s", diff)
	}
}

// contents are the files below the folders, with a sum of each.
func contents(t *testing.T, folders []string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, folder := range folders {
		err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
			if os.IsNotExist(err) && path == folder {
				return nil
			}
			if err != nil {
				return err
			}
			all[path] = entry.Type().String()
			if entry.Type().IsRegular() {
				data, err := os.ReadFile(path)
				if err != nil && !os.IsPermission(err) {
					return err
				}
				all[path] = fmt.Sprintf("%x", sha256.Sum256(data))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

package cli_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"authsome/test/lab"
)

// world is a lab and the folders that the real binary may write to. At the end
// of the test no canary may be in any of their files; what a run prints is
// searched as it comes.
type world struct {
	*lab.Lab
	binary string
	dir    string // everything below it is searched
	env    []string
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := newWorldIn(t, t.TempDir())
	t.Cleanup(func() { w.Search(t, w.dir) })
	return w
}

// newWorldIn is newWorld without the search at the end.
func newWorldIn(t testing.TB, dir string) *world {
	t.Helper()
	w := &world{Lab: lab.New(t), binary: lab.Build(t), dir: dir}
	for _, name := range []string{"home", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, entry := range w.Env("") {
		switch name, value, _ := strings.Cut(entry, "="); name {
		case "AUTHSOME_HOME": // the default, below HOME
		case "HOME":
			w.env = append(w.env, "HOME="+filepath.Join(dir, "home"))
		case "TMPDIR":
			w.env = append(w.env, "TMPDIR="+filepath.Join(dir, "tmp"))
		case "PATH":
			w.env = append(w.env, "PATH="+filepath.Dir(w.binary)+string(os.PathListSeparator)+value)
		default:
			w.env = append(w.env, entry)
		}
	}
	return w
}

// home is the folder authsome keeps everything in.
func (w *world) home(elem ...string) string {
	return filepath.Join(append([]string{w.dir, "home", ".authsome"}, elem...)...)
}

// invocation is one run of a program in a world.
type invocation struct {
	program string // "" means authsome
	args    []string
	stdin   string
	input   *os.File // in place of stdin
	env     []string // added to the world's
	dir     string   // "" means the world's
	reveals bool     // standard output may hold canaries
	stdout  *os.File // in place of a buffer
	prepare func(*exec.Cmd)
}

type result struct {
	code           int // -1 after a signal
	stdout, stderr string
}

func (r result) String() string {
	return fmt.Sprintf("exit %d, stdout %q, stderr %q", r.code, r.stdout, r.stderr)
}

// authsome runs the binary with these arguments.
func (w *world) authsome(t testing.TB, args ...string) result {
	t.Helper()
	return w.invoke(t, invocation{args: args})
}

// must is authsome for a run that has to succeed.
func (w *world) must(t testing.TB, args ...string) result {
	t.Helper()
	r := w.authsome(t, args...)
	if r.code != 0 {
		t.Fatalf("authsome %q: %v", args, r)
	}
	return r
}

// login connects a provider with this key.
func (w *world) login(t testing.TB, provider, key string, flags ...string) {
	t.Helper()
	args := append([]string{"login", provider, "--with-token"}, flags...)
	if r := w.invoke(t, invocation{args: args, stdin: key + "\n"}); r.code != 0 {
		t.Fatalf("authsome %q: %v", args, r)
	}
}

func (w *world) invoke(t testing.TB, i invocation) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	program := i.program
	if program == "" {
		program = w.binary
	}
	cmd := exec.CommandContext(ctx, program, i.args...)
	cmd.Env, cmd.Dir, cmd.WaitDelay = append(slices.Clone(w.env), i.env...), i.dir, 5*time.Second
	if i.dir == "" {
		cmd.Dir = w.dir
	}
	var stdout, stderr strings.Builder
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(i.stdin), &stdout, &stderr
	if i.input != nil {
		cmd.Stdin = i.input
	}
	if i.stdout != nil {
		cmd.Stdout = i.stdout
	}
	if i.prepare != nil {
		i.prepare(cmd)
	}
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		t.Fatalf("%s %q: %v: %s", program, i.args, errors.Join(err, ctx.Err()), stderr.String())
	}
	r := result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
	if !i.reveals {
		w.SearchBytes(t, fmt.Sprintf("stdout of %q", i.args), []byte(r.stdout))
	}
	w.SearchBytes(t, fmt.Sprintf("stderr of %q", i.args), []byte(r.stderr))
	for _, sign := range []string{"panic:", "goroutine ", "runtime error"} {
		if strings.Contains(r.stderr, sign) {
			t.Errorf("%q crashed: %s", i.args, r.stderr)
		}
	}
	return r
}

// tree describes every file below root, so that two calls are equal only if
// nothing changed: name, mode, time of the last change, content.
func tree(root string) (map[string]string, error) {
	files := map[string]string{}
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		content, err := digest(path, info)
		files[path] = fmt.Sprint(info.Mode(), info.ModTime().UnixNano(), content)
		return err
	})
	return files, err
}

func digest(path string, info fs.FileInfo) (string, error) {
	switch info.Mode().Type() {
	case fs.ModeSymlink:
		return os.Readlink(path)
	case 0:
	default:
		return "", nil
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	_, err = io.Copy(sum, f)
	return string(sum.Sum(nil)), err
}

// mustTree is tree for tests.
func mustTree(t testing.TB, root string) map[string]string {
	t.Helper()
	files, err := tree(root)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func writeFile(t testing.TB, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// acme is a provider definition without a key pattern, so that any key can be
// stored.
func acme(name string) string {
	return fmt.Sprintf(`{
  "schema_version": 1, "name": %q, "display_name": "Acme", "auth_type": "api_key", "flow": "api_key",
  "host_url": "api.%s.example",
  "export": {"env": {"api_key": ["ACME_KEY"]}}
}
`, name, name)
}

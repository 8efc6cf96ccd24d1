package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// shells are those a user's eval may run in.
func shells() [][]string {
	return [][]string{{"dash"}, {"bash"}, {"zsh", "-f"}, {"ksh93"}, {"busybox", "sh"}}
}

// hardValues are n values, the same ones every time, most of them made of what
// shells and readers of .env files take for syntax.
func hardValues(n int, alphabet string) []string {
	source := rand.New(rand.NewPCG(1, 2))
	values := []string{"", "'", "''", `\`, `'\''`, "$HOME", "$(id)", "`id`", "!!", "!x", "#", "a #b", "~", "-n", "=", "${HOME}", "%s", "\\n", "a b", `"`, "*"}
	for len(values) < n {
		var b strings.Builder
		for range 1 + source.IntN(40) {
			b.WriteByte(alphabet[source.IntN(len(alphabet))])
		}
		values = append(values, b.String())
	}
	return values[:n]
}

const (
	printable = " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~"
	syntax    = "'''\"\"\\\\$$``{}()!!#;&|*?~<>=% ab"
)

// exports writes a file of `export` lines and returns its path.
func exports(t *testing.T, values []string) string {
	t.Helper()
	var lines strings.Builder
	for i, value := range values {
		line, err := exportFormats["shell"](fmt.Sprintf("V%d", i), value)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&lines, line)
	}
	path := filepath.Join(t.TempDir(), "exports.sh")
	if err := os.WriteFile(path, []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestShellFormat has every shell evaluate 1,000 exports and print them again.
func TestShellFormat(t *testing.T) {
	t.Parallel()
	values := append(hardValues(900, syntax+printable), hardValues(100, syntax+"\n\t")...)
	path := exports(t, values)
	var script strings.Builder
	fmt.Fprintf(&script, "eval \"$(cat %s)\"\nprintf '%%s\\0'", shellQuote(path))
	for i := range values {
		fmt.Fprintf(&script, ` "$V%d"`, i)
	}
	for _, shell := range shells() {
		t.Run("E002 "+shell[0], func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(shell[0], shell[1:]...)
			cmd.Stdin, cmd.Env, cmd.Dir = strings.NewReader(script.String()+"\n"), []string{"PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8"}, t.TempDir()
			out, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
			if diff := cmp.Diff(values, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestShellcheck has 1,000 exports checked; no finding is worse than a note.
func TestShellcheck(t *testing.T) {
	t.Parallel()
	args := []string{"--norc", "--shell=sh", "--severity=warning"}
	for _, alphabet := range []string{syntax, printable} {
		for part := range slices.Chunk(hardValues(500, alphabet), 25) { // its time is not linear in a file's length
			args = append(args, exports(t, part))
		}
	}
	if out, err := exec.Command("shellcheck", args...).CombinedOutput(); err != nil {
		t.Errorf("E011 %v: %s", err, out)
	}
}

// TestDotenvFormat has readers of .env files read 1,000 values again. A value
// they would disagree on is refused.
func TestDotenvFormat(t *testing.T) {
	t.Parallel()
	want := map[string]string{}
	var lines strings.Builder
	for i, value := range append(hardValues(500, syntax+printable), hardValues(500, strings.Trim(printable, "'\\"))...) {
		name := fmt.Sprintf("V%d", i)
		line, err := exportFormats["dotenv"](name, value)
		if err != nil {
			if !strings.ContainsAny(value, "'\\") && !strings.Contains(value, "${") {
				t.Errorf("E002 %q is refused", value)
			}
			continue
		}
		want[name] = value
		fmt.Fprintln(&lines, line)
	}
	t.Logf("%d of 1000 values can be written", len(want))
	path := filepath.Join(t.TempDir(), "env")
	if err := os.WriteFile(path, []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	readers := map[string][]string{
		"python-dotenv": {"/usr/bin/python3", "-c", "import dotenv, json, sys; print(json.dumps(dotenv.dotenv_values(sys.argv[1])))", path},
		"node":          {"node", "--env-file=" + path, "-e", "console.log(JSON.stringify(process.env))"},
		"dash":          {"dash", "-c", `set -a; . "$1"; exec node -e 'console.log(JSON.stringify(process.env))'`, "dash", path},
	}
	for name, reader := range readers {
		t.Run("E002 "+name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(reader[0], reader[1:]...)
			cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=/nowhere"}
			var failure bytes.Buffer
			cmd.Stderr = &failure
			out, err := cmd.Output()
			got := map[string]string{}
			if err := firstError(err, json.Unmarshal(out, &got)); err != nil {
				t.Fatalf("%v: %s", err, failure.Bytes())
			}
			for name := range got {
				if _, ours := want[name]; !ours && !strings.HasPrefix(name, "V") {
					delete(got, name)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// A line end can't be in a credential; should one get there, no format may make
// a second variable of it.
func TestNoSecondVariable(t *testing.T) {
	for _, value := range []string{"a\nEVIL=1", "a\r\nEVIL=1", "'\nEVIL=1\n'", "\"\nEVIL=1"} {
		if line, err := exportFormats["dotenv"]("V", value); err == nil && !strings.HasPrefix(line, "V='") && !strings.HasPrefix(line, `V="`) {
			t.Errorf("E003 dotenv: %q", line)
		}
		if line, err := exportFormats["env"]("V", value); err == nil {
			t.Errorf("E003 env: %q", line)
		}
	}
}

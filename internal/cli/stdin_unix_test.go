//go:build unix

package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"authsome/internal/credential"
)

// TestStdinKey feeds `login --with-token` what a key may come as.
func TestStdinKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	writeFile(t, filepath.Join(w.dir, "acme.json"), acme("acme"))
	w.must(t, "register", "acme.json", "--yes")
	key := w.Canary("key")
	longest := key + strings.Repeat("x", credential.MaxLength-len(key))
	tests := []struct {
		name, stdin string
		want        string // "" means refused
	}{
		{"as it is", key, key},
		{"line feed", key + "\n", key},
		{"CRLF", key + "\r\n", key},
		{"longest", longest, longest},
		{"metacharacters", key + `'"\$(x)<&>|` + "`y`~{}", key + `'"\$(x)<&>|` + "`y`~{}"},
		{"none", "", ""},
		{"only a line end", "\n", ""},
		{"two line ends", key + "\n\n", ""},
		{"two lines", key + "\n" + key + "\n", ""},
		{"CR between", key + "\r" + key, ""},
		{"byte order mark", "\ufeff" + key + "\n", ""},
		{"UTF-16", "\xff\xfe" + strings.Join(strings.Split(key, ""), "\x00"), ""},
		{"zero byte", key + "\x00" + key, ""},
		{"trailing zero byte", key + "\x00\n", ""},
		{"escape", key + "\x1b[2J", ""},
		{"tab", key + "\t", ""},
		{"space in front", " " + key, ""},
		{"not ASCII", key + "é", ""},
		{"one too long", longest + "x", ""},
		{"64 KiB", strings.Repeat("x", 64<<10), ""},
		{"1 MiB", strings.Repeat(key, 1<<20/len(key)), ""},
	}
	for _, test := range tests {
		before := mustTree(t, w.home("vault", ".."))
		r := w.invoke(t, invocation{args: []string{"login", "acme", "--with-token", "--force", "--quiet"}, stdin: test.stdin})
		if test.want == "" {
			if r.code != 4 || !strings.Contains(r.stderr, "nothing was stored") {
				t.Errorf("O031 E004 %s: %v", test.name, r)
			}
			if after := mustTree(t, w.home("vault", "..")); len(before) != len(after) || before[w.home("audit.log")] != after[w.home("audit.log")] {
				t.Errorf("O031 %s: something was written", test.name)
			}
			continue
		}
		got := w.invoke(t, invocation{args: []string{"export", "acme"}, reveals: true})
		if r.code != 0 || got.stdout != "ACME_KEY="+test.want+"\n" {
			t.Errorf("O031 %s: %v", test.name, r)
		}
	}
}

// An endless stream is read as far as a key may go.
func TestStdinEndless(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	zero, err := os.Open("/dev/zero")
	if err != nil {
		t.Fatal(err)
	}
	defer zero.Close()
	start := time.Now()
	r, memory := w.measure(t, invocation{args: []string{"login", "openai", "--with-token"}, input: zero})
	if r.code != 4 || time.Since(start) > 30*time.Second || memory > 64<<20 {
		t.Errorf("O031 %v after %v and %d bytes of memory", r, time.Since(start), memory)
	}
}

// TestExportRoundTrip goes the whole way: a key in the vault, `eval "$(authsome
// export …)"` in every shell, and the variable is the key.
func TestExportRoundTrip(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	writeFile(t, filepath.Join(w.dir, "acme.json"), acme("acme"))
	w.must(t, "register", "acme.json", "--yes")
	for _, rest := range []string{`'`, `"$(touch pwned)"`, "`touch pwned`", `\'\\$HOME!!<&>|;#`, `'; touch pwned; '`, `--x=%s{a,b}~*?[]`} {
		key := w.Canary("key") + rest
		w.login(t, "acme", key, "--force", "--quiet")
		for _, shell := range [][]string{{"dash"}, {"bash"}, {"zsh", "-f"}, {"ksh93"}, {"busybox", "sh"}} {
			script := `eval "$(authsome export acme --format shell --quiet)"; printf %s "$ACME_KEY"`
			r := w.invoke(t, invocation{program: shell[0], args: append(shell[1:], "-c", script), reveals: true})
			if r.code != 0 || r.stdout != key {
				t.Errorf("E002 %s: %q for %q: %v", shell[0], r.stdout, key, r)
			}
		}
		r := w.invoke(t, invocation{args: []string{"export", "acme", "--format", "json"}, reveals: true})
		var object map[string]string
		if err := json.Unmarshal([]byte(r.stdout), &object); err != nil || object["ACME_KEY"] != key {
			t.Errorf("E010 %q: %v", r.stdout, err)
		}
	}
	if _, err := os.Stat(filepath.Join(w.dir, "pwned")); err == nil {
		t.Error("E002 a value was executed")
	}
}

// TestCompletionInBash sources the script and presses the tab key where names
// of providers are offered, some of which a shell would execute.
func TestCompletionInBash(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.login(t, "openai", w.Canary("key"))
	for _, name := range []string{"$(touch pwned)", "`touch pwned`", "; touch pwned;", "a b", "'x", "opena*"} {
		writeFile(t, w.home("providers", name+".json"), acme("x"))
	}
	script := `
_get_comp_words_by_ref() { # what the package bash-completion brings
	words=("${COMP_WORDS[@]}"); cword=$COMP_CWORD; cur=${COMP_WORDS[COMP_CWORD]}; prev=${COMP_WORDS[COMP_CWORD-1]}
}
__ltrim_colon_completions() { :; }
compopt() { :; }
source <(authsome completion bash)
COMP_WORDS=(authsome login opena) COMP_CWORD=2 COMP_LINE="authsome login opena" COMP_POINT=20 COMP_TYPE=9
__start_authsome
printf '%s\n' "${COMPREPLY[@]}"
COMP_WORDS=(authsome login "") COMP_LINE="authsome login " COMP_POINT=15
__start_authsome
printf '%s\n' "${COMPREPLY[@]}"
`
	r := w.invoke(t, invocation{program: "bash", args: []string{"--norc", "-c", script}})
	first, rest, _ := strings.Cut(r.stdout, "\n")
	if r.code != 0 || strings.TrimSpace(first) != "openai" || !strings.Contains(rest, "anthropic") {
		t.Errorf("C011 %v", r)
	}
	if strings.ContainsAny(r.stdout, "$`;'*") {
		t.Errorf("C011 offers %q", r.stdout)
	}
	if _, err := os.Stat(filepath.Join(w.dir, "pwned")); err == nil {
		t.Error("C011 a name was executed")
	}
	zsh := w.invoke(t, invocation{program: "zsh", args: []string{"-f", "-c", "compdef() { :; }; source <(authsome completion zsh) && whence -w _authsome"}})
	if zsh.code != 0 || zsh.stdout != "_authsome: function\n" {
		t.Errorf("C011 zsh: %v", zsh)
	}
}

//go:build linux

package cli_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// terminal is the binary on a terminal of its own.
type terminal struct {
	t    *testing.T
	w    *world
	cmd  *exec.Cmd
	tty  *os.File // the program's end, to see its modes
	user *os.File

	mu     sync.Mutex // guards screen
	screen bytes.Buffer
	read   sync.WaitGroup
}

// onTerminal starts authsome with standard input and standard error on a
// terminal, and standard output where out says; nil is the terminal.
func onTerminal(t *testing.T, w *world, out *os.File, args ...string) *terminal {
	t.Helper()
	user, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	term := &terminal{t: t, w: w, cmd: exec.Command(w.binary, args...), tty: tty, user: user}
	term.cmd.Env, term.cmd.Dir = w.env, w.dir
	term.cmd.Stdin, term.cmd.Stdout, term.cmd.Stderr = tty, tty, tty
	if out != nil {
		term.cmd.Stdout = out
	}
	term.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := term.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	term.read.Go(term.watch)
	t.Cleanup(term.close)
	return term
}

func (x *terminal) watch() {
	buf := make([]byte, 4096)
	for {
		n, err := x.user.Read(buf)
		x.mu.Lock()
		x.screen.Write(buf[:n])
		x.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (x *terminal) close() {
	if x.cmd.ProcessState == nil {
		_ = x.cmd.Process.Kill()
		_ = x.cmd.Wait()
	}
	_, _ = x.tty.Close(), x.user.Close()
	x.read.Wait()
	x.w.SearchBytes(x.t, "the terminal", x.screen.Bytes())
}

func (x *terminal) seen() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.screen.String()
}

func (x *terminal) wait(what string, ok func() bool) {
	x.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			x.t.Fatalf("no %s; on the screen: %q", what, x.seen())
		}
	}
}

// shows waits until the screen has the text so many times.
func (x *terminal) shows(text string, times int) {
	x.t.Helper()
	x.wait(fmt.Sprintf("%q", text), func() bool { return strings.Count(x.seen(), text) >= times })
}

func (x *terminal) types(text string) {
	x.t.Helper()
	if _, err := x.user.WriteString(text); err != nil {
		x.t.Fatal(err)
	}
}

// echoes reports whether the terminal shows what is typed.
func (x *terminal) echoes() bool {
	modes, err := unix.IoctlGetTermios(int(x.tty.Fd()), unix.TCGETS)
	if err != nil {
		x.t.Fatal(err)
	}
	return modes.Lflag&unix.ECHO != 0
}

func (x *terminal) stopped() bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", x.cmd.Process.Pid))
	return err == nil && bytes.Contains(stat, []byte(") T "))
}

// exits waits for the end and checks the code and that the terminal echoes.
func (x *terminal) exits(code int) {
	x.t.Helper()
	done := make(chan error, 1)
	go func() { done <- x.cmd.Wait() }()
	select {
	case err := <-done:
		if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
			x.t.Fatal(err)
		}
	case <-time.After(20 * time.Second):
		_ = x.cmd.Process.Kill()
		<-done
		x.t.Fatalf("does not end; on the screen: %q", x.seen())
	}
	if got := x.cmd.ProcessState.ExitCode(); got != code {
		x.t.Errorf("exit %d, want %d; on the screen: %q", got, code, x.seen())
	}
	if !x.echoes() {
		x.t.Error("the terminal does not echo any more")
	}
}

const ask = "API key for OpenAI (not shown): "

func TestTerminal(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*testing.T, *world){
		"C008_hidden":            hidden,
		"C008_interrupt":         func(t *testing.T, w *world) { interrupted(t, w, "\x03") },
		"C008_interrupt_midway":  func(t *testing.T, w *world) { interrupted(t, w, "sk-half a key\x03") },
		"C008_end_of_input":      func(t *testing.T, w *world) { interrupted(t, w, "\x04\r") },
		"C008_empty_line":        func(t *testing.T, w *world) { interrupted(t, w, "\r") },
		"C008_terminated":        terminated,
		"C008_stop_and_continue": stopAndContinue,
		"C008_rejected":          rejected,
		"E006_export":            exportOnTerminal,
		"notice_held":            noticeHeld,
		"register_yes":           func(t *testing.T, w *world) { confirm(t, w, "y\r", 0) },
		"register_YES":           func(t *testing.T, w *world) { confirm(t, w, " YES \r", 0) },
		"register_no":            func(t *testing.T, w *world) { confirm(t, w, "n\r", 8) },
		"register_enter":         func(t *testing.T, w *world) { confirm(t, w, "\r", 8) },
		"register_yesterday":     func(t *testing.T, w *world) { confirm(t, w, "yesterday\r", 8) },
		"register_end_of_input":  func(t *testing.T, w *world) { confirm(t, w, "\x04", 8) },
		"register_interrupt":     func(t *testing.T, w *world) { confirm(t, w, "\x03", 8) },
		"register_long":          func(t *testing.T, w *world) { confirm(t, w, strings.Repeat("y", 3000)+"\r", 8) },
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newWorld(t))
		})
	}
}

func hidden(t *testing.T, w *world) {
	key := w.Canary("key")
	x := onTerminal(t, w, nil, "login", "openai")
	x.shows(ask, 1)
	x.wait("hidden input", func() bool { return !x.echoes() })
	x.types(key + "\r")
	x.exits(0)
	x.shows("Logged in to openai (default): connected.", 1)
	x.shows("Make a key at https://platform.openai.com/api-keys", 1)
	r := w.invoke(t, invocation{args: []string{"export", "openai"}, reveals: true})
	if r.stdout != "OPENAI_API_KEY="+key+"\n" {
		t.Errorf("stored something else: %v", r)
	}
}

func interrupted(t *testing.T, w *world, typed string) {
	x := onTerminal(t, w, nil, "login", "openai")
	x.shows(ask, 1)
	x.wait("hidden input", func() bool { return !x.echoes() })
	x.types(typed)
	x.exits(8)
	x.shows("cancelled", 1)
	if strings.Contains(x.seen(), "sk-half") {
		t.Errorf("on the screen: %q", x.seen())
	}
	if _, err := os.Stat(w.home("vault")); !os.IsNotExist(err) {
		t.Errorf("a vault was made: %v", err)
	}
}

func terminated(t *testing.T, w *world) {
	x := onTerminal(t, w, nil, "login", "openai")
	x.shows(ask, 1)
	x.wait("hidden input", func() bool { return !x.echoes() })
	if err := x.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	x.exits(8)
}

// stopAndContinue types half a key, Ctrl-Z, and the whole key after `fg`: the
// shell in between has a terminal that echoes, and neither half shows.
func stopAndContinue(t *testing.T, w *world) {
	key := w.Canary("key")
	x := onTerminal(t, w, nil, "login", "openai")
	x.shows(ask, 1)
	for turn := 1; turn <= 2; turn++ {
		x.wait("hidden input", func() bool { return !x.echoes() })
		x.types(key[:20] + "\x1a")
		x.wait("stop", x.stopped)
		if !x.echoes() {
			t.Error("the shell's terminal does not echo")
		}
		if err := x.cmd.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		x.shows(ask, turn+1)
	}
	x.wait("hidden input", func() bool { return !x.echoes() })
	x.types("\x15" + key + "\r") // what was typed before is thrown away
	x.exits(0)
	r := w.invoke(t, invocation{args: []string{"export", "openai"}, reveals: true})
	if r.stdout != "OPENAI_API_KEY="+key+"\n" {
		t.Errorf("stored something else: %v", r)
	}
}

func rejected(t *testing.T, w *world) {
	x := onTerminal(t, w, nil, "login", "openai")
	x.shows(ask, 1)
	x.wait("hidden input", func() bool { return !x.echoes() })
	x.types("hunter2hunter2\r")
	x.exits(4)
	x.shows("start with 'sk-'", 1)
	if strings.Contains(x.seen(), "hunter2") {
		t.Errorf("on the screen: %q", x.seen())
	}
}

// exportOnTerminal has standard error on a terminal: the note is there, and
// standard output has the data and nothing else.
func exportOnTerminal(t *testing.T, w *world) {
	key := w.Canary("key")
	w.login(t, "openai", key)
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	x := onTerminal(t, w, write, "export", "openai")
	x.exits(0)
	_ = write.Close()
	x.shows("Secrets are leaving the vault", 1)
	out := make([]byte, 1000)
	n, err := read.Read(out)
	if err != nil || string(out[:n]) != "OPENAI_API_KEY="+key+"\n" {
		t.Errorf("E006 %q, %v", out[:n], err)
	}
}

func confirm(t *testing.T, w *world, typed string, code int) {
	definition := strings.Replace(acme("acme"), `"Acme"`, `"Ac\u001b[31mme\u202e"`, 1)
	writeFile(t, filepath.Join(w.dir, "acme.json"), strings.Replace(acme("acme"), "Acme", "Ac & me", 1))
	writeFile(t, filepath.Join(w.dir, "evil.json"), definition)
	x := onTerminal(t, w, nil, "register", "acme.json")
	x.shows("Ac & me (acme) would send your credential to:", 1)
	x.shows("  api.acme.example", 1)
	x.shows("Register it? [y/N] ", 1)
	x.types(typed)
	x.exits(code)
	_, err := os.Stat(w.home("providers", "acme.json"))
	if (err == nil) != (code == 0) {
		t.Errorf("exit %d, and the definition: %v", code, err)
	}
}

// noticeHeld: while a program has the screen for itself, a run says nothing;
// what it has to say comes at the end.
func noticeHeld(t *testing.T, w *world) {
	w.login(t, "openai", w.Canary("key"))
	w.env = append(w.env, "LAB_CA="+w.CA())
	x := onTerminal(t, w, nil, "run", "--", "sh", "-c", `stty raw -echo; curl -s --cacert "$LAB_CA" https://api.openai.com/v1/models; printf 'drawn\r\n'; stty sane; exit 0`)
	x.exits(0)
	x.shows("authsome doctor -- curl", 1)
	if drawn, after, _ := strings.Cut(x.seen(), "drawn"); strings.Contains(drawn, "authsome:") || !strings.Contains(after, "curl does not accept this run's certificate") {
		t.Errorf("on the screen: %q", x.seen())
	}
}

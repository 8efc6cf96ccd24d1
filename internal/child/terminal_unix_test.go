//go:build unix

package child

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// screen is a terminal with what appeared on it.
type screen struct {
	t    *testing.T
	pty  *os.File
	done chan struct{}

	mu   sync.Mutex
	text strings.Builder
	seen int // how much was expected already
}

func newScreen(t *testing.T, cmd *exec.Cmd) *screen {
	t.Helper()
	f, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 33, Cols: 101})
	if err != nil {
		t.Fatal(err)
	}
	s := &screen{t: t, pty: f, done: make(chan struct{})}
	go s.read()
	t.Cleanup(func() { f.Close(); <-s.done })
	return s
}

func (s *screen) read() {
	defer close(s.done)
	buf := make([]byte, 4096)
	for {
		n, err := s.pty.Read(buf)
		s.mu.Lock()
		s.text.Write(buf[:n])
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (s *screen) all() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func (s *screen) write(text string) {
	s.t.Helper()
	if _, err := s.pty.WriteString(text); err != nil {
		s.t.Fatal(err)
	}
}

// expect waits for pattern after what was expected before, and returns its
// first group.
func (s *screen) expect(pattern string) string {
	s.t.Helper()
	re := regexp.MustCompile(pattern)
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		rest := s.all()[s.seen:]
		if m := re.FindStringSubmatchIndex(rest); m != nil {
			s.seen += m[1]
			if len(m) > 2 {
				return rest[m[2]:m[3]]
			}
			return ""
		}
	}
	s.t.Fatalf("no %q on the screen:\n%q", pattern, s.all())
	return ""
}

// In the foreground of a terminal both get its signals; the child gets each
// once, and authsome outlives them.
func TestTerminalSignals(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(*screen)
		want string
	}{
		{"P004_SIGINT", func(s *screen) { s.write("\x03") }, "SIGINT"},
		{"P004_SIGQUIT", func(s *screen) { s.write("\x1c") }, "SIGQUIT"},
		{"P028_SIGWINCH", func(s *screen) { pty.Setsize(s.pty, &pty.Winsize{Rows: 20, Cols: 70}) }, "SIGWINCH"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmd := counter(t)
			s := newScreen(t, cmd)
			s.expect("ready")
			for range 2 {
				tt.do(s)
				s.expect("got " + tt.want)
				time.Sleep(settle)
				pty.Setsize(s.pty, &pty.Winsize{Rows: 33, Cols: 101})
				if tt.want == "SIGWINCH" {
					s.expect("got SIGWINCH")
					time.Sleep(settle)
				}
			}
			s.write("end\n")
			if exit := code(t, cmd.Wait()); exit != 42 {
				t.Errorf("exit %d", exit)
			}
			want := map[bool]int{true: 4, false: 2}[tt.want == "SIGWINCH"]
			if got := strings.Count(s.all(), "got "+tt.want); got != want {
				t.Errorf("the child got it %d times, want %d:\n%s", got, want, s.all())
			}
		})
	}
	t.Run("P004_default_action", func(t *testing.T) {
		cmd := command(t, "sh", "-c", "echo ready; exec sleep 30")
		s := newScreen(t, cmd)
		s.expect("ready")
		s.write("\x03")
		if exit := code(t, cmd.Wait()); exit != 130 {
			t.Errorf("exit %d, want 130", exit)
		}
	})
	t.Run("P005_SIGTERM_in_foreground", func(t *testing.T) {
		cmd := counter(t)
		s := newScreen(t, cmd)
		s.expect("ready")
		cmd.Process.Signal(unix.SIGTERM)
		s.expect("got SIGTERM")
		s.write("end\n")
		if exit := code(t, cmd.Wait()); exit != 42 {
			t.Errorf("exit %d", exit)
		}
	})
	// A child that left our group is not reached by the terminal.
	t.Run("P004_child_in_own_session", func(t *testing.T) {
		cmd := command(t, "setsid", self(t))
		cmd.Env = append(cmd.Env, "AUTHSOME_TEST_NEXT=count")
		s := newScreen(t, cmd)
		s.expect("ready")
		s.write("\x03")
		s.expect("got SIGINT")
		s.write("end\n")
		if exit := code(t, cmd.Wait()); exit != 42 {
			t.Errorf("exit %d", exit)
		}
	})
}

// When its terminal goes, the kernel tells authsome, if that leads the
// session, and nobody else.
func TestHangup(t *testing.T) {
	file := filepath.Join(t.TempDir(), "hup")
	cmd := command(t, "sh", "-c", `trap 'echo hup >> "$FILE"; exit 3' HUP; echo ready; while :; do sleep 0.02; done`)
	cmd.Env = append(cmd.Env, "FILE="+file)
	f, err := pty.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	bufio.NewReader(f).ReadString('\n')
	f.Close()
	if exit := code(t, cmd.Wait()); exit != 3 {
		t.Errorf("P005_SIGHUP: exit %d", exit)
	}
	if got, err := os.ReadFile(file); string(got) != "hup\n" {
		t.Errorf("P005_SIGHUP: %q, %v", got, err)
	}
}

// shell is an interactive bash with authsome in $A.
func shell(t *testing.T) *screen {
	cmd := exec.Command("bash", "--norc", "--noprofile", "-i")
	cmd.Env = append(os.Environ(), "PS1=> ", "TERM=dumb", "INPUTRC=/dev/null", "HISTFILE=", noRaceSleep,
		"A=env "+roleVar+"=run TMPDIR="+t.TempDir()+" "+self(t))
	s := newScreen(t, cmd)
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	s.expect("> ")
	return s
}

func TestJobControl(t *testing.T) {
	const child = `sh -c 'echo pi""d:$$.; read x; echo got:$x.; exit 5'`
	start := func(t *testing.T) (s *screen, pid int) {
		s = shell(t)
		s.write("$A " + child + "; echo co\"\"de:$?.\n")
		pid, err := strconv.Atoi(s.expect(`pid:(\d+)\.`))
		if err != nil {
			t.Fatal(err)
		}
		return s, pid
	}
	resume := func(s *screen) {
		s.write("fg; echo co\"\"de:$?.\n")
		s.expect("read x") // the command, printed by fg
		s.write("hello\n")
		s.expect(`got:hello\.`)
		s.expect(`code:5\.`)
	}
	t.Run("P005_suspend_and_fg", func(t *testing.T) {
		s, _ := start(t)
		s.write("\x1a")
		s.expect("Stopped")
		s.expect(`code:147\.`) // 128+SIGSTOP
		resume(s)
	})
	t.Run("P005_twice", func(t *testing.T) {
		s, _ := start(t)
		for range 2 {
			s.write("\x1a")
			s.expect("Stopped")
			s.expect(`code:147\.`)
			s.write("fg; echo co\"\"de:$?.\n")
			s.expect("read x")
		}
		s.write("hello\n")
		s.expect(`got:hello\.`)
		s.expect(`code:5\.`)
	})
	t.Run("P005_bg_then_fg", func(t *testing.T) {
		s, pid := start(t)
		s.write("\x1a")
		s.expect(`code:147\.`)
		s.write("bg\n") // it reads the terminal, so it is stopped again
		eventually(t, "stopped child", func() bool { return state(pid) == "T" })
		time.Sleep(settle)
		s.write("jobs\n")
		s.expect("Stopped")
		resume(s)
	})
	t.Run("P005_child_stopped_by_hand", func(t *testing.T) {
		s, pid := start(t)
		unix.Kill(pid, unix.SIGSTOP)
		s.expect("Stopped")
		resume(s)
	})
	t.Run("P005_TSTP_sent_to_authsome_in_background", func(t *testing.T) {
		s := shell(t)
		s.write("$A sleep 30 &\n")
		s.expect(`\[1\] (\d+)`)
		s.write("sleep 2; kill -TSTP $!; sleep 2; jobs; ps -o stat= --ppid $!; kill %1; kill -CONT $!; sleep 2; wait $!; echo co\"\"de:$?.\n")
		s.expect("Stopped")
		s.expect(`T`)
		s.expect(`code:143\.`)
	})
}

// Where no shell could continue authsome, a stopped child must not stop it.
func TestStoppedWithoutJobControl(t *testing.T) {
	for name, start := range map[string]func(*testing.T, *exec.Cmd) *bufio.Reader{
		"no_terminal": func(t *testing.T, cmd *exec.Cmd) *bufio.Reader {
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
			stdout, _ := cmd.StdoutPipe()
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			return bufio.NewReader(stdout)
		},
		"session_leader": func(t *testing.T, cmd *exec.Cmd) *bufio.Reader {
			f, err := pty.Start(cmd)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { f.Close() })
			return bufio.NewReader(f)
		},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := command(t, "sh", "-c", "echo $$; while [ ! -e \"$GO\" ]; do sleep 0.02; done; exit 6")
			goFile := filepath.Join(t.TempDir(), "go")
			cmd.Env = append(cmd.Env, "GO="+goFile)
			line, _ := start(t, cmd).ReadString('\n')
			pid, err := strconv.Atoi(strings.TrimSpace(line))
			if err != nil {
				t.Fatal(err)
			}
			unix.Kill(pid, unix.SIGSTOP)
			eventually(t, "stopped child", func() bool { return state(pid) == "T" })
			time.Sleep(settle)
			if got := state(cmd.Process.Pid); got == "T" {
				t.Error("authsome is stopped")
			}
			unix.Kill(pid, unix.SIGCONT)
			if err := os.WriteFile(goFile, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if exit := code(t, cmd.Wait()); exit != 6 {
				t.Errorf("exit %d", exit)
			}
		})
	}
}

// state returns the letter ps shows for pid, or "".
func state(pid int) string {
	out, _ := exec.Command("ps", "-o", "stat=", "-p", strconv.Itoa(pid)).Output()
	if len(out) == 0 {
		return ""
	}
	return string(out[:1])
}

// A full-screen program draws the same bytes as without authsome.
func TestSameTranscript(t *testing.T) {
	const script = `stty size; stty -a; tty >/dev/null && echo terminal
printf '\033[?1049h\033[38;2;1;2;3mX\033[0m\033[?2004h'; stty raw -echo; printf RAW; dd bs=1 count=3 2>/dev/null; stty sane; exit 4`
	transcript := func(cmd *exec.Cmd) string {
		s := newScreen(t, cmd)
		s.expect("RAW")
		s.write("\x03\x1aq") // in raw mode bytes like any other
		err := cmd.Wait()
		<-s.done
		return fmt.Sprintf("%s exit %d", s.all(), code(t, err))
	}
	want, got := transcript(exec.Command("sh", "-c", script)), transcript(command(t, "sh", "-c", script))
	if diff := cmp.Diff(want, got); diff != "" || !strings.Contains(want, "RAW\x03\x1aq exit 4") {
		t.Errorf("P028: %q %s", want, diff)
	}
}

// A child killed in raw mode leaves the terminal as it was.
func TestTerminalRestored(t *testing.T) {
	cmd := exec.Command("sh", "-c", `a=$(stty -g); $A sh -c 'stty raw -echo; kill -9 $$'; c=$?; [ "$a" = "$(stty -g)" ] && echo same:$c.`)
	cmd.Env = append(os.Environ(), noRaceSleep, "A=env "+roleVar+"=run TMPDIR="+t.TempDir()+" "+self(t))
	s := newScreen(t, cmd)
	s.expect(`same:137\.`)
	cmd.Wait()
}

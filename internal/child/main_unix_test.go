//go:build unix

package child

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The test binary plays other parts when this variable names one: "run" is
// authsome, the rest are children and attackers.
const roleVar = "AUTHSOME_TEST_ROLE"

// noRaceSleep saves the second a program built with -race takes to exit.
const noRaceSleep = "GORACE=atexit_sleep_ms=0"

func TestMain(m *testing.M) {
	switch os.Getenv(roleVar) {
	case "":
		os.Exit(m.Run())
	case "run":
		os.Exit(playRun(false))
	case "harden":
		os.Exit(playRun(true))
	case "idle": // hardened or not, waits for the end of its input
		os.Exit(playIdle())
	case "rundir":
		os.Exit(playRunDir())
	case "report":
		os.Exit(playReport())
	case "count":
		os.Exit(playCount())
	}
	os.Exit(99)
}

// playRun is `authsome run` less what other packages do: it holds a folder, a
// listener and a file open, and runs its arguments.
func playRun(harden bool) int {
	var limits Limits
	if harden {
		var err error
		if limits, err = Harden(); err != nil {
			return complain(err)
		}
	}
	dir, err := NewRunDir("", os.TempDir())
	if err != nil {
		return complain(err)
	}
	defer dir.Remove()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return complain(err)
	}
	defer l.Close()
	path, err := LookPath(os.Args[1], os.Getenv("PATH"))
	if err != nil {
		complain(err)
		return ExitCode(err)
	}
	env, _ := Environment(os.Environ(), Settings{Unset: []string{roleVar}, Placeholders: map[string]string{}})
	if next := os.Getenv("AUTHSOME_TEST_NEXT"); next != "" {
		env = append(env, roleVar+"="+next)
	}
	c := Cmd{Path: path, Args: os.Args[1:], Env: env, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Limits: limits}
	code, err := c.Run(context.Background())
	if err != nil {
		complain(err)
	}
	return code
}

func complain(err error) int {
	fmt.Fprintln(os.Stderr, "authsome:", err)
	return ExitFailed
}

func playRunDir() int {
	d, err := NewRunDir("", os.Args[1])
	if err != nil {
		return complain(err)
	}
	if _, err := d.Write("bundle.pem", strings.NewReader("x")); err != nil {
		return complain(err)
	}
	fmt.Println(d.Path())
	io.Copy(io.Discard, os.Stdin)
	return 0
}

// report is what a child sees of its start.
type report struct {
	Args, Env []byte // each string ended by NUL
	Core      unix.Rlimit
	Files     unix.Rlimit
}

func playReport() int {
	r := report{Args: []byte(strings.Join(os.Args, "\x00")), Env: []byte(strings.Join(os.Environ(), "\x00"))}
	unix.Getrlimit(unix.RLIMIT_CORE, &r.Core)
	unix.Getrlimit(unix.RLIMIT_NOFILE, &r.Files)
	json.NewEncoder(os.Stdout).Encode(r)
	return 0
}

// playCount prints every signal it gets, until its input says "end".
func playCount() int {
	sigs, lines := make(chan os.Signal, 64), make(chan string)
	signal.Notify(sigs, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGHUP, unix.SIGUSR1, unix.SIGUSR2, unix.SIGWINCH, unix.SIGCONT)
	go func() {
		for s := bufio.NewScanner(os.Stdin); s.Scan(); {
			lines <- s.Text()
		}
		close(lines)
	}()
	fmt.Println("ready")
	for {
		select {
		case sig := <-sigs:
			fmt.Println("got", unix.SignalName(sig.(unix.Signal)))
		case line, ok := <-lines:
			if line == "end" || !ok {
				return 42
			}
		}
	}
}

func playIdle() int {
	if os.Getenv("AUTHSOME_TEST_HARDEN") != "" {
		if _, err := Harden(); err != nil {
			return complain(err)
		}
	}
	fmt.Println("ready")
	io.Copy(io.Discard, os.Stdin)
	return 0
}

// command is the stand-in for `authsome run ARGS`.
func command(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	return role(t, "run", args...)
}

func role(t testing.TB, name string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, self(t), args...)
	cmd.Env = append(os.Environ(), roleVar+"="+name, "TMPDIR="+t.TempDir(), noRaceSleep)
	return cmd
}

func self(t testing.TB) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return exe
}

// code returns the exit code that a shell would show.
func code(t testing.TB, err error) int {
	t.Helper()
	if err == nil {
		return 0
	}
	exit, ok := err.(*exec.ExitError)
	if !ok {
		t.Fatal(err)
	}
	if status := exit.Sys().(syscall.WaitStatus); status.Signaled() {
		return 128 + int(status.Signal())
	}
	return exit.ExitCode()
}

// run runs cmd and returns what it wrote and its code.
func run(t testing.TB, cmd *exec.Cmd) (stdout, stderr string, exit int) {
	t.Helper()
	var out, errs bytes.Buffer
	if cmd.Stdout == nil {
		cmd.Stdout = &out
	}
	cmd.Stderr = &errs
	err := cmd.Run()
	return out.String(), errs.String(), code(t, err)
}

// sh is a Cmd that runs script in this process.
func sh(script string) *Cmd {
	return &Cmd{Path: "/bin/sh", Args: []string{"sh", "-c", script}, Env: os.Environ(), Stdin: nil, Stdout: nil, Stderr: os.Stderr}
}

// eventually waits until ok, or fails.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	buf := make([]byte, 1<<16)
	t.Fatalf("no %s after 20 s\n%s", what, buf[:runtime.Stack(buf, true)])
}

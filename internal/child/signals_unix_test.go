//go:build unix

package child

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// settle is how long a second delivery of a signal would take to show.
const settle = 300 * time.Millisecond

// counter is authsome with a child that prints its signals.
func counter(t *testing.T) *exec.Cmd {
	cmd := command(t, self(t))
	cmd.Env = append(cmd.Env, "AUTHSOME_TEST_NEXT=count")
	return cmd
}

// Without a terminal a signal comes from a supervisor, for authsome alone.
func TestSignalsToAuthsomeAlone(t *testing.T) {
	for _, sig := range []unix.Signal{
		unix.SIGTERM, unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGUSR1, unix.SIGUSR2, unix.SIGWINCH,
	} {
		t.Run("P005_"+unix.SignalName(sig), func(t *testing.T) {
			cmd := counter(t)
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
			stdin, _ := cmd.StdinPipe()
			stdout, _ := cmd.StdoutPipe()
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(stdout)
			lines.Scan() // ready
			if err := cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			time.Sleep(settle)
			fmt.Fprintln(stdin, "end")
			var got []string
			for lines.Scan() {
				got = append(got, lines.Text())
			}
			if diff := cmp.Diff([]string{"got " + unix.SignalName(sig)}, got); diff != "" {
				t.Error(diff)
			}
			if exit := code(t, cmd.Wait()); exit != 42 {
				t.Errorf("exit %d", exit)
			}
		})
	}
}

func TestChildKilledBySignalToAuthsome(t *testing.T) {
	cmd := command(t, "sh", "-c", "echo ready; exec sleep 30")
	stdout, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	bufio.NewReader(stdout).ReadString('\n')
	cmd.Process.Signal(unix.SIGTERM)
	if exit := code(t, cmd.Wait()); exit != 143 {
		t.Errorf("P005: exit %d, want 143", exit)
	}
}

// What the caller ignores stays ignored, as under nohup.
func TestIgnoredSignals(t *testing.T) {
	for _, sig := range []string{"HUP", "INT"} {
		cmd := role(t, "run", "-c", fmt.Sprintf(`trap "" %s; exec "$0" sh -c 'kill -%s $PPID; sleep 0.1; kill -%s $$; exit 5'`, sig, sig, sig), self(t))
		cmd.Path, cmd.Args[0] = "/bin/sh", "sh"
		if _, errs, exit := run(t, cmd); exit != 5 {
			t.Errorf("P029_%s: exit %d, %s", sig, exit, errs)
		}
	}
}

// If authsome is killed the child gets SIGTERM, and the next run cleans up.
func TestAuthsomeKilled(t *testing.T) {
	file, tmp := filepath.Join(t.TempDir(), "term"), t.TempDir()
	cmd := command(t, "sh", "-c", `trap 'echo term > "$FILE"; exit' TERM; echo ready; while :; do sleep 0.02; done`)
	cmd.Env = append(cmd.Env, "FILE="+file, "TMPDIR="+tmp)
	stdout, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	bufio.NewReader(stdout).ReadString('\n')
	cmd.Process.Kill()
	eventually(t, "SIGTERM for the child", func() bool { _, err := os.Stat(file); return err == nil })
	cmd.Wait()
	if left, _ := filepath.Glob(filepath.Join(tmp, runPrefix+"*")); len(left) != 1 {
		t.Fatalf("expected the killed run's folder, got %v", left)
	}
	next := command(t, "true")
	next.Env = append(next.Env, "TMPDIR="+tmp)
	if _, errs, exit := run(t, next); exit != 0 {
		t.Error(exit, errs)
	}
	if left, _ := os.ReadDir(tmp); len(left) != 0 {
		t.Errorf("P007: left: %v", left)
	}
}

// A thread of ours that ends must not be taken for our death, whichever the
// child was forked on.
func TestThreadEndIsNoDeath(t *testing.T) {
	stop := make(chan struct{})
	var threads sync.WaitGroup
	threads.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
				threads.Go(func() { runtime.LockOSThread() }) // the thread ends with its goroutine
			}
		}
	})
	exit, err := sh("sleep 1; exit 8").Run(t.Context())
	close(stop)
	threads.Wait()
	if exit != 8 || err != nil {
		t.Errorf("P007: %d, %v", exit, err)
	}
}

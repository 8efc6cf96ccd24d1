package child

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// ordinary makes cmd run as an ordinary user, from a copy of this program that
// such a user can reach: root passes every check of /proc.
func ordinary(t *testing.T, cmd *exec.Cmd) *exec.Cmd {
	t.Helper()
	if os.Getuid() != 0 {
		return cmd
	}
	dir, err := os.MkdirTemp("/tmp", "authsome-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	exe, err := os.ReadFile(self(t))
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(dir, "exe")
	if err := os.WriteFile(copied, exe, 0o755); err != nil {
		t.Fatal(err)
	}
	tmp := filepath.Join(dir, "tmp")
	for path, mode := range map[string]os.FileMode{dir: 0o755, tmp: 0o777} {
		if err := os.Mkdir(path, mode); err != nil && !os.IsExist(err) {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	if cmd.Path == self(t) {
		cmd.Path = copied
	}
	cmd.Dir, cmd.Env = "/", append(cmd.Env, "TMPDIR="+tmp)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 4321, Gid: 4321}}
	return cmd
}

// startIdle starts a process of the ordinary user and returns its pid.
func startIdle(t *testing.T, env ...string) int {
	t.Helper()
	cmd := ordinary(t, role(t, "idle"))
	cmd.Env = append(cmd.Env, env...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stdin.Close(); cmd.Wait() })
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "ready\n" {
		t.Fatal(line, err)
	}
	return cmd.Process.Pid
}

// steal reads name of /proc/pid as the ordinary user and reports success.
func steal(t *testing.T, pid int, name string) bool {
	t.Helper()
	cmd := exec.Command("/bin/dd", "bs=1", "count=1", "status=none", fmt.Sprintf("if=/proc/%d/%s", pid, name))
	cmd.Env = os.Environ()
	out, err := ordinary(t, cmd).CombinedOutput()
	if err == nil && len(out) == 1 {
		return true
	}
	if !strings.Contains(string(out), "Permission denied") && !strings.Contains(string(out), "not permitted") {
		t.Fatalf("%s: %v: %s", name, err, out)
	}
	return false
}

func TestHarden(t *testing.T) {
	open, hardened := startIdle(t), startIdle(t, "AUTHSOME_TEST_HARDEN=1")
	for _, name := range []string{"environ", "maps", "auxv", "syscall"} {
		t.Run("P015_I6_"+name, func(t *testing.T) {
			if name != "syscall" && !steal(t, open, name) { // the system may restrict tracing by itself
				t.Error("not readable without Harden: this test shows nothing")
			}
			if steal(t, hardened, name) {
				t.Error("readable")
			}
		})
	}
	t.Run("P015_I6_mem", func(t *testing.T) {
		if steal(t, hardened, "mem") {
			t.Error("readable")
		}
	})
	t.Run("P015_I6_descriptors", func(t *testing.T) {
		cmd := exec.Command("/bin/ls", fmt.Sprintf("/proc/%d/fd", hardened))
		cmd.Env = os.Environ()
		if out, err := ordinary(t, cmd).CombinedOutput(); err == nil || !strings.Contains(string(out), "Permission denied") {
			t.Errorf("%v: %s", err, out)
		}
	})
}

func TestHardenedLeavesNoCore(t *testing.T) {
	for _, sig := range []unix.Signal{unix.SIGSEGV, unix.SIGABRT, unix.SIGQUIT} {
		t.Run("P015_"+unix.SignalName(sig), func(t *testing.T) {
			cmd := ordinary(t, role(t, "idle"))
			cmd.Env = append(cmd.Env, "AUTHSOME_TEST_HARDEN=1", "GOTRACEBACK=crash")
			stdin, _ := cmd.StdinPipe()
			defer stdin.Close()
			stdout, _ := cmd.StdoutPipe()
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			bufio.NewReader(stdout).ReadString('\n')
			limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", cmd.Process.Pid))
			if soft := regexp.MustCompile(`Max core file size +(\d+)`).FindSubmatch(limits); soft == nil || string(soft[1]) != "0" {
				t.Errorf("core limit %s, %v", soft, err)
			}
			cmd.Process.Signal(sig)
			cmd.Wait()
			if status := cmd.ProcessState.Sys().(syscall.WaitStatus); status.CoreDump() || status.Exited() && status.ExitStatus() == 0 {
				t.Errorf("%v", cmd.ProcessState)
			}
		})
	}
}

// A hardened authsome's child is as open and as limited as one run directly.
func TestHardenedChild(t *testing.T) {
	var want, got report
	for _, tt := range []struct {
		role string
		r    *report
	}{{"report", &want}, {"harden", &got}} {
		cmd := ordinary(t, role(t, tt.role))
		cmd.Args = append(cmd.Args, cmd.Path)
		cmd.Env = append(cmd.Env, "AUTHSOME_TEST_NEXT=report")
		// A soft limit below the hard one is what must come back.
		cmd.Args = append([]string{"bash", "-c", `ulimit -Sc 123; ulimit -Sn 321; exec "$0" "$@"`, cmd.Path}, cmd.Args[1:]...)
		cmd.Path = "/bin/bash"
		out, errs, exit := run(t, cmd)
		if exit != 0 {
			t.Fatal(exit, errs)
		}
		if err := json.Unmarshal([]byte(out), tt.r); err != nil {
			t.Fatal(err)
		}
	}
	if got.Core != want.Core || got.Core.Cur == 0 {
		t.Errorf("core limit %+v, directly %+v", got.Core, want.Core)
	}
	if want.Files.Max != got.Files.Max {
		t.Errorf("file limit %+v, directly %+v", got.Files, want.Files)
	}
	t.Run("dumpable", func(t *testing.T) {
		cmd := ordinary(t, role(t, "harden", "/bin/sh", "-c", "echo $$; cat"))
		stdin, _ := cmd.StdinPipe()
		stdout, _ := cmd.StdoutPipe()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var pid int
		fmt.Fscan(stdout, &pid)
		if !steal(t, pid, "environ") {
			t.Error("the child is closed to its own user")
		}
		stdin.Close()
		io.Copy(io.Discard, stdout)
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
}

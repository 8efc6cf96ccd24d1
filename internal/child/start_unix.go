//go:build unix

package child

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// process is a started child.
type process struct {
	pid     int
	changes chan unix.WaitStatus // stopped, continued; at last exited or signaled
	stopped bool                 // as last reported
}

// start starts c and watches it until it ends. One thread does both: the
// parent-death signal is sent when the thread that forked is gone.
func (c *Cmd) start() (*process, error) {
	p := &process{changes: make(chan unix.WaitStatus)}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		pid, err := c.fork()
		p.pid = pid
		started <- err
		if err == nil {
			p.watch()
		}
	}()
	return p, <-started
}

// watch reports every change of the child, and ends with the child.
func (p *process) watch() {
	for {
		var status unix.WaitStatus
		_, err := unix.Wait4(p.pid, &status, unix.WUNTRACED|unix.WCONTINUED, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil { // ECHILD: someone else took the status
			status = unix.WaitStatus(ExitFailed << 8)
		}
		p.changes <- status
		if status.Exited() || status.Signaled() {
			return
		}
	}
}

func (c *Cmd) fork() (pid int, err error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	attr := &syscall.ProcAttr{Dir: c.Dir, Env: c.Env, Sys: sysProcAttr()}
	for _, f := range []*os.File{c.Stdin, c.Stdout, c.Stderr} {
		if f == nil {
			f = null
		}
		attr.Files = append(attr.Files, f.Fd())
	}
	lowered, err := c.Limits.lift()
	if err != nil {
		return 0, err
	}
	defer lowered()
	pid, err = syscall.ForkExec(c.Path, c.Args, attr)
	if errors.Is(err, unix.ENOEXEC) && isText(c.Path) {
		pid, err = syscall.ForkExec("/bin/sh", c.shellArgs(), attr)
	}
	if err != nil {
		return 0, c.startError(err)
	}
	return pid, nil
}

// shellArgs runs a script without "#!" as a POSIX shell would (XCU 2.9.1.6).
func (c *Cmd) shellArgs() []string {
	script := c.Path
	if script[0] == '-' {
		script = "./" + script
	}
	args := []string{"sh", script}
	if len(c.Args) > 1 {
		args = append(args, c.Args[1:]...)
	}
	return args
}

// isText reports whether file may be a script: no ELF, and no NUL in what is
// read of its first line.
func isText(file string) bool {
	f, err := os.Open(file)
	if err != nil {
		return false
	}
	defer f.Close()
	buf := make([]byte, 256)
	n, _ := f.Read(buf)
	line, _, _ := bytes.Cut(buf[:n], []byte("\n"))
	return !bytes.HasPrefix(line, []byte("\x7fELF")) && !bytes.Contains(line, []byte{0})
}

// startError tells a command that can't run from a machine that can't.
func (c *Cmd) startError(err error) error {
	if _, dirErr := os.Stat(c.Dir); c.Dir != "" && dirErr != nil {
		return fmt.Errorf("working directory: %w", dirErr)
	}
	var errno unix.Errno
	_ = errors.As(err, &errno) // zero is none of these
	switch errno {
	case unix.ENOENT:
		if _, statErr := os.Stat(c.Path); statErr != nil {
			return fmt.Errorf("%q: %w", c.Path, ErrNotFound)
		}
		return fmt.Errorf("%q %w: its interpreter is missing", c.Path, ErrNotExecutable)
	case unix.EACCES, unix.EPERM, unix.ENOEXEC, unix.EISDIR, unix.ENOTDIR, unix.ELOOP,
		unix.E2BIG, unix.ETXTBSY, unix.ENAMETOOLONG, unix.EINVAL:
		return fmt.Errorf("%q %w: %w", c.Path, ErrNotExecutable, err)
	}
	return fmt.Errorf("start %q: %w", c.Path, err)
}

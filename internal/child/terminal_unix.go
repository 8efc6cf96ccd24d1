//go:build unix

package child

import (
	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// terminal is our controlling terminal, or the lack of one.
type terminal struct {
	fd    int // -1: none
	state *term.State
}

func openTerminal() *terminal {
	fd, err := unix.Open("/dev/tty", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &terminal{fd: -1}
	}
	t := &terminal{fd: fd}
	t.state, _ = term.GetState(fd)
	return t
}

func (t *terminal) present() bool { return t.fd >= 0 }

func (t *terminal) close() {
	if t.present() {
		unix.Close(t.fd)
	}
}

// foreground reports whether our process group is the one the terminal sends
// its signals to.
func (t *terminal) foreground() bool {
	group, err := t.group()
	return err == nil && group == unix.Getpgrp()
}

// hasJobControl reports whether a shell made a process group of the command it
// started us with, as it does to stop and continue it. A session's first group
// is its leader's own: a terminal's only program, a container's.
func (t *terminal) hasJobControl() bool {
	session, err := unix.Getsid(0)
	return t.present() && err == nil && session != unix.Getpgrp()
}

// hungUp reports whether there was a terminal that is gone.
func (t *terminal) hungUp() bool {
	_, err := t.group()
	return t.present() && err != nil
}

func (t *terminal) group() (int, error) {
	if !t.present() {
		return 0, unix.ENOTTY
	}
	return unix.IoctlGetInt(t.fd, unix.TIOCGPGRP)
}

// restore undoes what a child that was killed did to the terminal: the shell
// does so for its own children, but sees only our orderly end. In the
// background it would stop us.
func (t *terminal) restore() {
	if t.state != nil && t.foreground() {
		_ = term.Restore(t.fd, t.state)
	}
}

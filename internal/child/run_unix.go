//go:build unix

package child

import (
	"cmp"
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Run runs c and returns its exit code, 128+N when signal N killed it, or the
// code of ExitCode along with the error when it did not start.
//
// The child stays in our process group, so the terminal treats both alike, and
// signals follow one rule: what the child got itself is not sent again.
//
//   - SIGINT, SIGQUIT, SIGTSTP and SIGWINCH are passed on, except while the
//     child shares our group and that group is the terminal's foreground: then
//     the terminal has sent them to both. (So one sent by hand to authsome
//     alone in the foreground stays with authsome.)
//   - SIGHUP is passed on, except when the terminal has hung up and we don't
//     lead its session: then the shell or the kernel has sent it to the group.
//   - SIGTERM, SIGUSR1 and SIGUSR2 are passed on.
//   - A signal that was ignored when we started stays ignored, by both (nohup).
//   - When the child stops, and a shell with job control is there to continue
//     it, we stop; when we are continued, the child is.
//
// None of these ends Run: it returns when the child ends. The end of ctx sends
// SIGTERM, and SIGKILL ten seconds later. If authsome dies, the child gets
// SIGTERM on Linux, unless it has changed its credentials (sudo).
func (c *Cmd) Run(ctx context.Context) (code int, err error) {
	tty := openTerminal()
	defer tty.close()
	sigs := make(chan os.Signal, 64)
	signal.Notify(sigs, handled(tty)...)
	defer signal.Stop(sigs)
	p, err := c.start()
	if err != nil {
		return ExitCode(err), err
	}
	status := p.attend(ctx, sigs, tty, cmp.Or(c.killDelay, killDelay))
	if status.Signaled() {
		tty.restore()
		return 128 + int(status.Signal()), nil
	}
	return status.ExitStatus(), nil
}

// handled returns the signals we take. To take one that is ignored would have
// the child start with its default action.
func handled(tty *terminal) []os.Signal {
	sigs := []os.Signal{unix.SIGTERM, unix.SIGQUIT, unix.SIGUSR1, unix.SIGUSR2, unix.SIGWINCH, unix.SIGCONT}
	for _, sig := range []os.Signal{unix.SIGINT, unix.SIGHUP} {
		if !signal.Ignored(sig) {
			sigs = append(sigs, sig)
		}
	}
	if tty.present() {
		sigs = append(sigs, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU)
	}
	return sigs
}

// attend passes signals on until the child ends.
func (p *process) attend(ctx context.Context, sigs chan os.Signal, tty *terminal, delay time.Duration) unix.WaitStatus {
	ended, overdue := ctx.Done(), (<-chan time.Time)(nil)
	for {
		select {
		case status := <-p.changes:
			if status.Exited() || status.Signaled() {
				return status
			}
			p.stopped = status.Stopped()
			// The report may be old: a shell may have continued both of us since.
			if p.stopped && isStopped(p.pid) && tty.hasJobControl() {
				suspend()
			}
		case sig := <-sigs:
			p.relay(sig.(syscall.Signal), tty)
		case <-ended:
			ended, overdue = nil, time.After(delay)
			p.signal(unix.SIGTERM)
			p.signal(unix.SIGCONT)
		case <-overdue:
			p.signal(unix.SIGKILL)
		}
	}
}

// relay passes sig on by the rule of Run.
func (p *process) relay(sig syscall.Signal, tty *terminal) {
	switch sig {
	case unix.SIGINT, unix.SIGQUIT, unix.SIGTSTP, unix.SIGWINCH:
		if tty.foreground() && p.inOurGroup() {
			return
		}
	case unix.SIGHUP:
		if tty.hungUp() && !leadsSession() {
			return
		}
	case unix.SIGCONT:
		if !p.stopped {
			return
		}
	case unix.SIGTTIN, unix.SIGTTOU: // sent by the terminal, to groups only
		return
	}
	p.signal(sig)
}

// signal may find the child gone; its end is about to be reported then.
func (p *process) signal(sig syscall.Signal) { _ = unix.Kill(p.pid, sig) }

func (p *process) inOurGroup() bool {
	group, err := unix.Getpgid(p.pid)
	return err == nil && group == unix.Getpgrp()
}

func leadsSession() bool {
	session, err := unix.Getsid(0)
	return err == nil && session == unix.Getpid()
}

// suspend stops us, so that the shell takes the terminal back. It must be
// SIGSTOP: once a Go program has taken SIGTSTP it can't have the default
// action back.
func suspend() { _ = unix.Kill(unix.Getpid(), unix.SIGSTOP) }

package child

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// sysProcAttr has the child ended when the thread that forks it ends, which
// is when we do.
func sysProcAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: unix.SIGTERM}
}

// denyTracing makes us undumpable. An exec undoes it, so the child is not.
func denyTracing() error {
	return unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
}

// stopSelf sends sig to the calling thread: it acts before the call returns,
// while a signal to the process would be taken by any thread, some time.
func stopSelf(sig syscall.Signal) {
	_ = unix.Tgkill(unix.Getpid(), unix.Gettid(), sig)
}

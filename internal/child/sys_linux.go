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

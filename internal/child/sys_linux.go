package child

import (
	"bytes"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// getTermios is tcgetattr(3).
const getTermios = unix.TCGETS

// sysProcAttr has the child ended when the thread that forks it ends, which
// is when we do.
func sysProcAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: unix.SIGTERM}
}

// denyTracing makes us undumpable. An exec undoes it, so the child is not.
func denyTracing() error {
	return unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
}

// isStopped reports whether a process is stopped at this moment (proc(5): the
// state stands behind the name, which may hold anything).
func isStopped(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	i := bytes.LastIndexByte(stat, ')')
	return i < 0 || i+2 >= len(stat) || stat[i+2] == 'T'
}

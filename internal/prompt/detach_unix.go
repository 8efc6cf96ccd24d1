//go:build unix

package prompt

import (
	"os/exec"
	"syscall"
)

// detach keeps the terminal's signals from the browser: Ctrl-C ends the login,
// not what was started for it.
func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

//go:build unix

package main

import (
	"os/exec"
	"syscall"
)

// detach keeps the shell's interrupts and hang-ups from the process.
func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

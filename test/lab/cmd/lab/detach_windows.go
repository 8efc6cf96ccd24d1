package main

import (
	"os/exec"
	"syscall"
)

// detach keeps the shell's interrupts from the process.
func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

//go:build unix && !linux

package child

import (
	"syscall"

	"golang.org/x/sys/unix"
)

func sysProcAttr() *syscall.SysProcAttr { return nil }

func denyTracing() error { return nil }

func stopSelf(sig syscall.Signal) { _ = unix.Kill(unix.Getpid(), sig) }

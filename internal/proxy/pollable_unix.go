//go:build unix

package proxy

import (
	"io"
	"os"
	"syscall"
)

const canRead = true

const errAgain = syscall.EAGAIN

// read is one read(2) of a socket that does not block.
func read(fd uintptr, p []byte) (int, error) {
	for {
		n, err := syscall.Read(int(fd), p)
		switch {
		case err == syscall.EINTR: //nolint:errorlint // an errno is what a system call returns
			continue
		case err == syscall.EAGAIN: //nolint:errorlint // as above
			return 0, errAgain
		case err != nil:
			return 0, os.NewSyscallError("read", err)
		case n == 0:
			return 0, io.EOF
		}
		return n, nil
	}
}

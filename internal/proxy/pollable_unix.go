//go:build unix && (!linux || race)

package proxy

import (
	"io"
	"syscall"
)

const canRead = true

const errAgain = syscall.EAGAIN

// read is one read(2) of a socket that does not block.
func read(fd uintptr, p []byte) (int, error) {
	n, err := again(func() (int, error) { return syscall.Read(int(fd), p) })
	if n == 0 && err == nil {
		return 0, io.EOF
	}
	return n, failed("read", err)
}

// write is one write(2) of such a socket.
func write(fd uintptr, p []byte) (int, error) {
	n, err := again(func() (int, error) { return syscall.Write(int(fd), p) })
	return n, failed("write", err)
}

// again makes a call until no signal interrupts it.
func again(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if err != syscall.EINTR { //nolint:errorlint // an errno is what a system call returns
			return max(n, 0), err
		}
	}
}

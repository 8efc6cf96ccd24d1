//go:build !race

package proxy

import (
	"io"
	"syscall"
	"unsafe"
)

const canRead = true

const errAgain = syscall.EAGAIN

// read is one read(2) of a socket that does not block, and write one write(2).
// The scheduler is not told: such a call is over in microseconds, and to give
// the processor away before it and to look for another one behind it costs as
// much as the call, and keeps the runtime's monitor from sleeping. The race
// detector would not see what goes through such a socket.
func read(fd uintptr, p []byte) (int, error) {
	n, err := call(syscall.SYS_READ, fd, p)
	if n == 0 && err == nil {
		return 0, io.EOF
	}
	return n, failed("read", err)
}

func write(fd uintptr, p []byte) (int, error) {
	n, err := call(syscall.SYS_WRITE, fd, p)
	return n, failed("write", err)
}

// call has the kernel read into p, which is not empty, or write it.
func call(number, fd uintptr, p []byte) (int, error) {
	for {
		n, _, errno := syscall.RawSyscall(number, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
		switch errno {
		case 0:
			return int(n), nil
		case syscall.EINTR:
		default:
			return 0, errno
		}
	}
}

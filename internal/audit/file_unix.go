//go:build unix

package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// O_NONBLOCK keeps a FIFO or a device in the log's place from blocking us
// before it is refused.
const openFlags = unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC

// openAppend opens the file at path for appending, or creates it.
func openAppend(path string) (*os.File, error) {
	const flags = os.O_RDWR | os.O_APPEND | openFlags
	for range 100 { // someone may create or rotate it between the two calls
		file, err := os.OpenFile(path, flags, 0)
		if err == nil {
			return checked(file, private(file))
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, unsafe(path, err)
		}
		file, err = os.OpenFile(path, flags|os.O_CREATE|os.O_EXCL, 0o600)
		if err == nil {
			// The umask may have taken bits away, it can't have added any.
			return checked(file, file.Chmod(0o600))
		}
		if !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%s: appears and vanishes", path)
}

// openRead opens a log to be read. Whose it is does not matter for that.
func openRead(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return nil, unsafe(path, err)
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: %w: not a regular file", path, ErrUnsafe)
	}
	return checked(file, err)
}

// private returns an error unless file is a regular file that is ours alone.
func private(file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	stat := info.Sys().(*syscall.Stat_t)
	switch {
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s: %w: not a regular file", file.Name(), ErrUnsafe)
	case int(stat.Uid) != os.Geteuid():
		return fmt.Errorf("%s: %w: owned by uid %d, not by %d", file.Name(), ErrUnsafe, stat.Uid, os.Geteuid())
	case stat.Nlink > 1:
		return fmt.Errorf("%s: %w: has %d names", file.Name(), ErrUnsafe, stat.Nlink)
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("%s: %w: mode %04o lets others in, make it 0600", file.Name(), ErrUnsafe, info.Mode().Perm())
	}
	return nil
}

// unsafe names what open(2) says of a symbolic link, a directory or a socket.
func unsafe(path string, err error) error {
	for _, errno := range []unix.Errno{unix.ELOOP, unix.EMLINK, unix.EISDIR, unix.ENXIO, unix.EOPNOTSUPP} {
		if errors.Is(err, errno) {
			return fmt.Errorf("%s: %w: not a regular file", path, ErrUnsafe)
		}
	}
	return err
}

func checked(file *os.File, err error) (*os.File, error) {
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}

// linked reports whether the file still has a name.
func linked(info os.FileInfo) bool { return info.Sys().(*syscall.Stat_t).Nlink > 0 }

// writeOnce is one write(2). [os.File.Write] would finish a short one with a
// second, and another process's line could be in between.
func writeOnce(file *os.File, line []byte) (n int, err error) {
	err = descriptor(file, func(fd int) error {
		for {
			n, err = unix.Write(fd, line)
			if !errors.Is(err, unix.EINTR) {
				return err
			}
		}
	})
	return max(n, 0), err
}

// tryLock takes the advisory lock that goes with the file, without waiting.
func tryLock(file *os.File) (unlock func(), err error) {
	flock := func(how int) error {
		return descriptor(file, func(fd int) error { return unix.Flock(fd, how) })
	}
	if err := flock(unix.LOCK_EX | unix.LOCK_NB); err != nil {
		return nil, err
	}
	return func() { _ = flock(unix.LOCK_UN) }, nil
}

func descriptor(file *os.File, do func(fd int) error) error {
	conn, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := conn.Control(func(fd uintptr) { failed = do(int(fd)) }); err != nil {
		return err
	}
	return failed
}

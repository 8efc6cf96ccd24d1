package audit

import (
	"fmt"
	"os"

	"golang.org/x/sys/windows"
)

// openAppend opens the file at path for appending, or creates it. Who may read
// it follows from the directory's access list.
func openAppend(path string) (*os.File, error) {
	return regular(os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600))
}

func openRead(path string) (*os.File, error) { return regular(os.Open(path)) }

func regular(file *os.File, err error) (*os.File, error) {
	if err != nil {
		return nil, err
	}
	info, err := os.Lstat(file.Name())
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: %w: not a regular file", file.Name(), ErrUnsafe)
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}

// linked is always true: Windows keeps the name of a file that is open.
func linked(os.FileInfo) bool { return true }

func writeOnce(file *os.File, line []byte) (int, error) { return file.Write(line) }

// tryLock locks a byte far beyond the end: Windows locks are mandatory, and
// the other processes are to go on appending.
func tryLock(file *os.File) (unlock func(), err error) {
	const how = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	handle, place := windows.Handle(file.Fd()), &windows.Overlapped{OffsetHigh: 1 << 30}
	if err := windows.LockFileEx(handle, how, 0, 1, 0, place); err != nil {
		return nil, err
	}
	return func() { _ = windows.UnlockFileEx(handle, 0, 1, 0, place) }, nil
}

package child

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"
)

// isOurs leaves the question to the access lists that folders inherit.
func isOurs(os.FileInfo) bool { return true }

// lockDir opens a file of the folder that nobody else can open meanwhile and
// that is gone when we are.
func lockDir(path string) (*os.File, error) {
	name := filepath.Join(path, "lock")
	utf16, err := windows.UTF16PtrFromString(name)
	if err != nil {
		return nil, err
	}
	h, err := windows.CreateFile(utf16, windows.GENERIC_READ|windows.DELETE, 0, nil,
		windows.OPEN_ALWAYS, windows.FILE_FLAG_DELETE_ON_CLOSE, 0)
	if err != nil {
		return nil, &os.PathError{Op: "lock", Path: path, Err: err}
	}
	return os.NewFile(uintptr(h), name), nil
}

// removeLocked closes first: an open file can't be removed.
func removeLocked(path string, lock *os.File) error {
	return errors.Join(lock.Close(), os.RemoveAll(path))
}

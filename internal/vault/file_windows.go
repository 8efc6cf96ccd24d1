package vault

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/windows"
)

const openFlags, nonblock = 0, 0

// On Windows the profile folder's access list keeps others out; there are no
// mode bits to check or set, and a folder can't be synced.

func checkOwner(string, fs.FileInfo) error { return nil }
func links(fs.FileInfo) uint64             { return 1 }
func syncDir(string) error                 { return nil }
func isReadOnly(err error) bool            { return errors.Is(err, windows.ERROR_WRITE_PROTECT) }

// replace waits for readers: a file that somebody has open can't be replaced,
// and ours, virus scanners and indexers have one open for moments only.
func replace(temp, path string) error {
	const attempts, pause = 40, 25 * time.Millisecond
	for i := 1; ; i++ {
		err := os.Rename(temp, path)
		if i == attempts || !errors.Is(err, windows.ERROR_ACCESS_DENIED) && !errors.Is(err, windows.ERROR_SHARING_VIOLATION) {
			return err
		}
		time.Sleep(pause)
	}
}

func tryLock(f *os.File, shared bool) error {
	flags := uint32(windows.LOCKFILE_FAIL_IMMEDIATELY)
	if !shared {
		flags |= windows.LOCKFILE_EXCLUSIVE_LOCK
	}
	return windows.LockFileEx(windows.Handle(f.Fd()), flags, 0, 1, 0, &windows.Overlapped{})
}

func isLocked(err error) bool { return errors.Is(err, windows.ERROR_LOCK_VIOLATION) }

func isNoSpace(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL)
}

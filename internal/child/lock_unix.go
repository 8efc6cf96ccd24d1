//go:build unix

package child

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// isOurs reports whether info's file belongs to us and is closed to others.
func isOurs(info os.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid() && info.Mode().Perm()&0o077 == 0
}

// lockDir takes the lock on a folder of ours without waiting. The kernel
// releases it when we die. It fails when another run holds it, when the folder
// is not ours, and when it is no longer the one at path.
func lockDir(path string) (*os.File, error) {
	dir, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	if err := takeLock(dir, path); err != nil {
		dir.Close()
		return nil, err
	}
	return dir, nil
}

func takeLock(dir *os.File, path string) error {
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return &os.PathError{Op: "lock", Path: path, Err: err}
	}
	opened, err := dir.Stat()
	if err != nil {
		return err
	}
	named, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if !os.SameFile(opened, named) || !isOurs(opened) {
		return &os.PathError{Op: "lock", Path: path, Err: errors.New("not a folder of ours")}
	}
	return nil
}

// removeLocked removes the folder while it is still locked, so that nobody
// else takes it for stale meanwhile.
func removeLocked(path string, lock *os.File) error {
	return errors.Join(os.RemoveAll(path), lock.Close())
}

package vault

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// openPrivate opens a plain file of our own that nobody else may touch, or
// creates it so. It follows no link and waits for no pipe.
func openPrivate(path string, flags int) (*os.File, error) {
	f, err := os.OpenFile(path, flags|openFlags, 0o600)
	if err != nil {
		return nil, explainOpen(path, flags, err)
	}
	info, err := f.Stat()
	if err == nil && flags&os.O_CREATE != 0 {
		info, err = restoreOwnerBits(f, info)
	}
	if err == nil {
		err = checkPrivate(path, info)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// explainOpen looks at what stands at path, which often says more than the
// error of opening it.
func explainOpen(path string, flags int, err error) error {
	if info, statErr := os.Lstat(path); statErr == nil {
		if err := checkPrivate(path, info); err != nil {
			return err
		}
	}
	if flags&(os.O_WRONLY|os.O_RDWR) == 0 && errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w: %w", ErrPermissions, err)
	}
	return storeError(err)
}

// restoreOwnerBits gives the owner of a new file back what the umask took from
// 0600. It widens a mode for nobody else.
func restoreOwnerBits(f *os.File, info fs.FileInfo) (fs.FileInfo, error) {
	if mode := info.Mode(); !mode.IsRegular() || mode.Perm()&^0o600 != 0 || mode.Perm() == 0o600 {
		return info, nil
	}
	if err := f.Chmod(0o600); err != nil {
		return nil, err
	}
	return f.Stat()
}

// readFile reads a private file of at most limit bytes, or ErrNotFound.
func readFile(path string, limit int64) ([]byte, error) {
	f, err := openPrivate(path, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", path, ErrNotFound)
	} else if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("%s: %w: %d bytes, at most %d", path, ErrTooLarge, info.Size(), limit)
	}
	data := make([]byte, info.Size())
	if _, err := io.ReadFull(f, data); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return data, nil
}

// writeFile replaces a private file at once and durably. On error the old file
// stands and no new one is left behind.
func writeFile(path string, data []byte) error {
	if err := checkReplaceable(path); err != nil {
		return err
	}
	return putInPlace(path, data, openPrivate)
}

// putInPlace writes data to a new file that open makes beside path, and gives
// it path's name.
func putInPlace(path string, data []byte, open func(path string, flags int) (*os.File, error)) error {
	temp := filepath.Join(filepath.Dir(path), tempPrefix+rand.Text())
	f, err := open(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return err
	}
	if err = fill(f, data); err == nil {
		err = replace(temp, path)
	}
	if err != nil {
		_ = os.Remove(temp)
		return fmt.Errorf("%s: %w", path, storeError(err))
	}
	return storeError(syncDir(filepath.Dir(path)))
}

// fill writes, syncs and closes.
func fill(f *os.File, data []byte) error {
	_, err := f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return firstError(err, f.Close())
}

// removeFile removes a private file durably, or returns ErrNotFound.
func removeFile(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w", path, ErrNotFound)
	}
	if err == nil {
		err = checkPrivate(path, info)
	}
	if err != nil {
		return err
	}
	err = os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w", path, ErrNotFound)
	} else if err != nil {
		return storeError(err)
	}
	return storeError(syncDir(filepath.Dir(path)))
}

// removeStale removes a temporary file so old that its writer must be dead.
// Failing that does no harm: the file is never read.
func removeStale(path string) {
	if info, err := os.Lstat(path); err == nil && info.Mode().IsRegular() && time.Since(info.ModTime()) > tempStale {
		_ = os.Remove(path)
	}
}

func checkReplaceable(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	return checkPrivate(path, info)
}

// makeDir makes a folder and those above it, each ours alone.
func makeDir(path string) error {
	err := os.Mkdir(path, 0o700)
	if errors.Is(err, fs.ErrNotExist) && filepath.Dir(path) != path {
		if err := makeDir(filepath.Dir(path)); err != nil {
			return err
		}
		err = os.Mkdir(path, 0o700)
	}
	if errors.Is(err, fs.ErrExist) {
		return nil
	} else if err != nil {
		return err
	}
	// A umask may have taken our own bits from the mode.
	if err := os.Chmod(path, 0o700); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func checkDir(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s: %w: %s where a folder belongs", path, ErrIrregular, kind(info))
	}
	return checkOwner(path, info)
}

func checkPrivate(path string, info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s: %w: it is %s", path, ErrIrregular, kind(info))
	}
	if n := links(info); n > 1 {
		return fmt.Errorf("%s: %w: it has %d hard links", path, ErrIrregular, n)
	}
	return checkOwner(path, info)
}

func kind(info fs.FileInfo) string {
	switch mode := info.Mode(); {
	case mode.IsRegular():
		return "a plain file"
	case mode.IsDir():
		return "a folder"
	case mode&fs.ModeSymlink != 0:
		return "a symbolic link"
	case mode&fs.ModeNamedPipe != 0:
		return "a pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	case mode&fs.ModeDevice != 0:
		return "a device"
	}
	return "a special file"
}

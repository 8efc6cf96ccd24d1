//go:build unix

package child

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// LookPath finds the file that name runs, as exec.LookPath does but on the
// given PATH: a name with a slash is that file, any other is searched for. A
// file found through an entry that is relative (".", or empty) is refused with
// exec.ErrDot. Other errors wrap ErrNotFound or ErrNotExecutable.
func LookPath(name, pathVar string) (string, error) {
	if strings.Contains(name, "/") {
		return name, executable(name)
	}
	err := fmt.Errorf("%q: %w", name, ErrNotFound)
	if name == "" {
		return "", err
	}
	for _, dir := range filepath.SplitList(pathVar) {
		file := filepath.Join(dir, name)
		found := executable(file)
		if found == nil && !filepath.IsAbs(file) {
			return "", fmt.Errorf("%q: %w: %w", name, ErrNotExecutable, exec.ErrDot)
		}
		if found == nil {
			return file, nil
		}
		// A file that may not be run is the answer if nothing better follows.
		if errors.Is(found, ErrNotExecutable) && !errors.Is(found, unix.EISDIR) {
			err = found
		}
	}
	return "", err
}

func executable(file string) error {
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENOTDIR):
		return fmt.Errorf("%q: %w", file, ErrNotFound)
	case err != nil:
	case info.IsDir():
		err = unix.EISDIR
	case !info.Mode().IsRegular():
		err = unix.EACCES
	default:
		err = unix.Faccessat(unix.AT_FDCWD, file, unix.X_OK, unix.AT_EACCESS)
	}
	if err != nil {
		return fmt.Errorf("%q %w: %w", file, ErrNotExecutable, reason(err))
	}
	return nil
}

// reason strips what repeats the file's name from err.
func reason(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

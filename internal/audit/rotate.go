package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

const (
	maxSize    = 10_000_000 // bytes of a file before the next line starts a new one
	keep       = 5          // rotated files kept: path.1 is the youngest
	retryAfter = 1_000_000  // bytes until a rotation that went wrong is tried again
	lookAgain  = 10 * time.Millisecond
	nearLimit  = 1_000_000 // bytes before the limit, where each line has its look
)

// current makes l.file the file the next line belongs in and returns its size.
//
// A rotated file is over the limit and a removed one has no name, so a look at
// our own descriptor shows that another process rotated, or that someone
// deleted the log. A look costs as much as a line: in a rush one serves the
// lines of lookAgain.
func (l *Log) current() (int64, error) {
	if l.end >= 0 && l.end < l.limit-nearLimit && time.Since(l.looked) < lookAgain {
		return l.end, nil
	}
	l.looked = time.Now()
	info, err := l.file.Stat()
	if err != nil {
		return 0, err
	}
	full := info.Size() >= max(l.limit, l.retryAt)
	if !full && linked(info) {
		return info.Size(), nil
	}
	if err := l.renew(info); err != nil {
		return 0, err
	}
	info, err = l.file.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// renew rotates, or follows a rotation another process made. When that process
// is still at it, or the files can't be renamed, the present file goes on
// growing: the line matters more than the size.
func (l *Log) renew(mine os.FileInfo) error {
	unlock, err := tryLock(l.file)
	if err != nil {
		return nil
	}
	defer unlock()
	named, err := os.Lstat(l.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case os.SameFile(mine, named):
		if err := shift(l.path); err != nil {
			l.retryAt = mine.Size() + retryAfter
			return nil
		}
	}
	return l.reopen()
}

// reopen keeps the old file when the new one can't be opened, so that the
// next line tries again.
func (l *Log) reopen() error {
	file, err := openAppend(l.path)
	if err != nil {
		return err
	}
	old := l.file
	l.file, l.end, l.retryAt = file, -1, 0
	return old.Close()
}

// shift renames path to path.1, path.1 to path.2 and so on; the oldest goes.
// The caller holds the lock on the file at path, and path itself is renamed
// last, so nobody else shifts meanwhile.
func shift(path string) error {
	for i := keep; i > 0; i-- {
		err := os.Rename(rotated(path, i-1), rotated(path, i))
		if err != nil && !(i > 1 && errors.Is(err, fs.ErrNotExist)) {
			return err
		}
	}
	return nil
}

// rotated names the i-th rotated file; the 0th is the log itself.
func rotated(path string, i int) string {
	if i == 0 {
		return path
	}
	return fmt.Sprintf("%s.%d", path, i)
}

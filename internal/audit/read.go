package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"
)

const (
	maxLine = 64 << 10 // bytes; ours are under 16 KiB, a longer one is bad
	// MaxTail bounds how many entries Tail returns, and so its memory.
	MaxTail = 100_000
)

// A Filter selects entries. An empty field selects all; words are compared
// whole, Host without regard to ASCII case.
type Filter struct {
	Provider, Host, Decision, Event string
	Since                           time.Time // not before
}

func (f Filter) match(e Entry) bool {
	return (f.Provider == "" || f.Provider == e.Provider) &&
		(f.Host == "" || strings.EqualFold(f.Host, e.Host)) &&
		(f.Decision == "" || f.Decision == e.Decision) &&
		(f.Event == "" || f.Event == e.Event) &&
		!e.Time.Before(f.Since)
}

// Tail returns the last n entries that match f, oldest first: none if n is 0,
// and the last [MaxTail] if n is negative or greater. It reads rotated files
// too. skipped counts the lines among them that are no entries. The error is
// [fs.ErrNotExist] if there is no log.
//
// Strings are as they were appended: whoever prints one to a terminal must
// escape it. Encoded as JSON an Entry is safe to print.
func Tail(path string, n int, f Filter) (entries []Entry, skipped int, err error) {
	if n < 0 || n > MaxTail {
		n = MaxTail
	}
	skipped, err = Each(path, n, f, func(e Entry) error {
		entries = append(entries, e)
		return nil
	})
	return entries, skipped, err
}

// Each calls visit with what Tail would return, one by one and without its
// limit: a negative n means all. It stops at the first error of visit and
// returns it. Its memory depends neither on n nor on the size of the log.
func Each(path string, n int, f Filter, visit func(Entry) error) (skipped int, err error) {
	files, err := openAll(path)
	if err != nil {
		return 0, err
	}
	defer closeAll(files)
	if n == 0 {
		return 0, nil
	}
	first, offset, err := startOf(files, n, f)
	if err != nil {
		return 0, fmt.Errorf("audit log: %w", err)
	}
	for i := first; i >= 0; i-- { // files[0] is the youngest
		bad, err := visitFrom(files[i], offset, f, visit)
		skipped, offset = skipped+bad, 0
		if err != nil {
			return skipped, err
		}
	}
	return skipped, nil
}

func visitFrom(file *os.File, offset int64, f Filter, visit func(Entry) error) (skipped int, err error) {
	lines := newForward(file, offset)
	for line := range lines.all {
		e, bad := parse(line)
		skipped += bad
		if e.Event == "" || !f.match(e) {
			continue
		}
		if err := visit(e); err != nil {
			return skipped, err
		}
	}
	if lines.err != nil {
		return skipped, fmt.Errorf("audit log: %w", lines.err)
	}
	return skipped, nil
}

// startOf finds the n-th matching line from the end: its file and its offset
// there. With fewer lines, or n negative, it is the start of the oldest file.
func startOf(files []*os.File, n int, f Filter) (file int, offset int64, err error) {
	for i := 0; i < len(files) && n > 0; i++ {
		lines, err := newBackward(files[i])
		if err != nil {
			return 0, 0, err
		}
		for line, at := range lines.all {
			if e, _ := parse(line); e.Event == "" || !f.match(e) {
				continue
			}
			if n--; n == 0 {
				return i, at, nil
			}
		}
		if lines.err != nil {
			return 0, 0, lines.err
		}
	}
	return len(files) - 1, 0, nil
}

// openAll opens the log and its rotated files, youngest first. When they are
// rotated meanwhile a file shows up under its next name as well; it is taken
// once.
func openAll(path string) (files []*os.File, err error) {
	var seen []os.FileInfo
	var missing error
	for i := 0; i <= keep; i++ {
		file, err := openRead(rotated(path, i))
		switch {
		case i == 0 && errors.Is(err, fs.ErrNotExist): // or between two names
			missing = err
			continue
		case i > 0 && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrUnsafe)):
			continue
		case err != nil:
			closeAll(files)
			return nil, fmt.Errorf("audit log: %w", err)
		}
		info, err := file.Stat()
		if err != nil || contains(seen, info) {
			_ = file.Close()
			continue
		}
		seen, files = append(seen, info), append(files, file)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("audit log: %w", missing)
	}
	return files, nil
}

func closeAll(files []*os.File) {
	for _, file := range files {
		_ = file.Close()
	}
}

func contains(seen []os.FileInfo, info os.FileInfo) bool {
	for _, other := range seen {
		if os.SameFile(other, info) {
			return true
		}
	}
	return false
}

// parse reads one line without its line end. bad counts what is no entry: 1
// for a line that is none, or for a torn one that the next was appended to. A
// quote inside a string is always escaped, so lineStart is never data.
func parse(line []byte) (e Entry, bad int) {
	if len(line) == 0 {
		return Entry{}, 0
	}
	if i := bytes.LastIndex(line, []byte(lineStart)); i > 0 {
		line, bad = line[i:], 1
	}
	if len(line) > maxLine || json.Unmarshal(line, &e) != nil || e.Event == "" || e.Time.IsZero() {
		return Entry{}, 1
	}
	return e, bad
}

package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

const followEvery = 100 * time.Millisecond

// Follow calls visit with every entry that matches f and is appended from now
// on, until ctx is done, which is no error. It waits for a log that is not
// there yet and goes on through rotations. Lines that are no entries are left
// out.
func Follow(ctx context.Context, path string, f Filter, visit func(Entry)) error {
	t := tail{path: path, visit: func(e Entry) {
		if f.match(e) {
			visit(e)
		}
	}}
	defer t.close()
	if err := t.openAtEnd(); err != nil {
		return fmt.Errorf("audit log: %w", err)
	}
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		if err := t.step(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// A tail is Follow's place in the log.
type tail struct {
	path  string
	visit func(Entry)
	file  *os.File // nil while there is none
	off   int64
	line  []byte // the start of a line that has no end yet
	left  bool   // at the last step the file was no longer the one at path
}

func (t *tail) openAtEnd() error {
	file, err := openRead(t.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	t.file = file
	t.off, err = file.Seek(0, io.SeekEnd)
	return err
}

func (t *tail) close() {
	if t.file != nil {
		_ = t.file.Close()
	}
}

// step reads what there is. A file that was rotated is read for one step more,
// for the writers that had yet to notice.
func (t *tail) step() error {
	if t.file == nil {
		return t.next(t.path)
	}
	if err := t.drain(); err != nil {
		return err
	}
	successor, moved := t.successor()
	if moved && t.left {
		return t.next(successor)
	}
	t.left = moved
	return nil
}

// next goes on at the start of another file.
func (t *tail) next(path string) error {
	file, err := openRead(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("audit log: %w", err)
	}
	t.close()
	t.file, t.off, t.line, t.left = file, 0, nil, false
	return t.step()
}

// successor names the file that was begun after ours was rotated.
func (t *tail) successor() (path string, moved bool) {
	mine, err := t.file.Stat()
	if err != nil {
		return t.path, true
	}
	for i := 0; i <= keep; i++ {
		info, err := os.Lstat(rotated(t.path, i))
		if err == nil && os.SameFile(mine, info) {
			return rotated(t.path, max(i-1, 0)), i > 0
		}
	}
	return t.path, true
}

// drain visits the lines between off and the end of the file.
func (t *tail) drain() error {
	if info, err := t.file.Stat(); err == nil && info.Size() < t.off {
		t.off, t.line = 0, nil // emptied by hand
	}
	block := make([]byte, maxLine)
	for {
		n, err := t.file.ReadAt(block, t.off)
		t.off += int64(n)
		t.take(block[:n])
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("audit log: %w", err)
		}
	}
}

func (t *tail) take(block []byte) {
	for {
		end := bytes.IndexByte(block, '\n')
		if end < 0 {
			break
		}
		t.grow(block[:end])
		e, _ := parse(t.line)
		t.line, block = t.line[:0], block[end+1:]
		if e.Event != "" {
			t.visit(e)
		}
	}
	t.grow(block)
}

// grow keeps one byte more of a line than parse takes.
func (t *tail) grow(part []byte) {
	room := maxLine + 1 - len(t.line)
	t.line = append(t.line, part[:min(room, len(part))]...)
}

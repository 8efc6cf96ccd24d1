package audit

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
)

// forward reads lines from an offset on. A line longer than maxLine comes out
// as its first maxLine+1 bytes, which parse refuses.
type forward struct {
	r   *bufio.Reader
	err error // what ended all before the end of the file
}

func newForward(file *os.File, offset int64) *forward {
	rest := io.NewSectionReader(file, offset, 1<<62)
	return &forward{r: bufio.NewReaderSize(rest, maxLine+1)}
}

// all yields the lines without their line ends, the unfinished last one too.
// A line is valid until the next.
func (f *forward) all(yield func(line []byte) bool) {
	for {
		line, err := f.r.ReadSlice('\n')
		more := yield(bytes.TrimSuffix(line, []byte{'\n'}))
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = f.r.ReadSlice('\n')
		}
		if err != nil && err != io.EOF {
			f.err = err
		}
		if err != nil || !more {
			return
		}
	}
}

// backward reads lines from the end of a file to its start. Lines longer than
// maxLine are left out.
type backward struct {
	file *os.File
	off  int64  // where buf starts in the file
	buf  []byte // read, not yet yielded; at most maxLine where a block is added
	err  error
}

func newBackward(file *os.File) (*backward, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	return &backward{file: file, off: info.Size(), buf: make([]byte, 0, 2*maxLine)}, nil
}

// all yields the lines without their line ends, each with its offset. A line
// is valid until the next.
func (b *backward) all(yield func(line []byte, at int64) bool) {
	long := false // buf ends in the middle of a line that is too long
	for {
		i := bytes.LastIndexByte(b.buf, '\n')
		if i < 0 && b.off > 0 {
			if len(b.buf) > maxLine {
				long, b.buf = true, b.buf[:0]
			}
			if b.err = b.fill(); b.err != nil {
				return
			}
			continue
		}
		if !long && !yield(b.buf[i+1:], b.off+int64(i)+1) {
			return
		}
		if i < 0 {
			return
		}
		long, b.buf = false, b.buf[:i]
	}
}

// fill puts the block before buf in front of it.
func (b *backward) fill() error {
	n := min(b.off, maxLine)
	whole := b.buf[:int(n)+len(b.buf)]
	copy(whole[n:], b.buf)
	if _, err := b.file.ReadAt(whole[:n], b.off-n); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	b.buf, b.off = whole, b.off-n
	return nil
}

package proxy

import (
	"errors"
	"sync"
)

const (
	// bulkBody is the length from which a body goes several records at a time.
	bulkBody = 256 << 10
	// bulkSize is how much of such a body is read, and then written, at once. A
	// call of the kernel, and the peer that wakes up for it, cost as much as the
	// cipher for a record does.
	bulkSize = 4 * recordSize
)

// buffer is room for a piece of a body.
type buffer struct {
	room []byte
	pool *sync.Pool
}

var (
	pieceBuffers = sync.Pool{New: func() any { return &buffer{room: make([]byte, 2*recordSize)} }}
	bulkBuffers  = sync.Pool{New: func() any { return &buffer{room: make([]byte, bulkSize+1<<10)} }} // with what TLS puts around records
)

// bufferFor returns a buffer for a body of that length, -1 for one not known.
func bufferFor(length int64) *buffer {
	pool := &pieceBuffers
	if length >= bulkBody {
		pool = &bulkBuffers
	}
	b := pool.Get().(*buffer)
	b.pool = pool
	return b
}

func (b *buffer) release() { b.pool.Put(b) }

// gather reads into p what s brings: a record, and as long as records are long,
// further ones that are there already and fit.
func (f *fixedReader) gather(s *pollable, p []byte) (n int, err error) {
	n, err = f.Read(p)
	if s == nil || s.raw == nil {
		return n, err
	}
	s.polling = true
	defer func() { s.polling = false }()
	for got := n; err == nil && got >= recordSize/2 && len(p)-n >= recordSize; n += got {
		got, err = f.Read(p[n:])
	}
	if _, nothing := errors.AsType[errNothing](err); nothing {
		err = nil
	}
	return n, err
}

// together has what do writes leave in as few writes as can be, before it
// returns.
func (s *pollable) together(do func() error) error {
	b := bufferFor(bulkBody)
	defer b.release()
	s.collect(b.room[:0])
	err := do()
	if left := s.leave(err == nil); err == nil {
		err = left
	}
	return err
}

// collect has writes gathered in room from now on.
func (s *pollable) collect(room []byte) {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.collected = room
}

// leave ends collecting. What was collected is written unless an earlier part
// of it was lost.
func (s *pollable) leave(whole bool) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	all := s.collected
	s.collected = nil
	if len(all) == 0 || !whole {
		return nil
	}
	_, err := s.write(all)
	return err
}

// add collects p, and makes room for it first.
func (s *pollable) add(p []byte) (int, error) {
	if len(s.collected)+len(p) > cap(s.collected) {
		_, err := s.write(s.collected)
		if s.collected = s.collected[:0]; err != nil {
			return 0, err
		}
	}
	if len(p) > cap(s.collected) {
		return s.write(p)
	}
	s.collected = append(s.collected, p...)
	return len(p), nil
}

package vault

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
)

// Memory is a Store that lives as long as the process: a vault that leaves no
// trace on disk.
type Memory struct {
	mu      sync.Mutex // guards what follows
	blobs   map[string][]byte
	locks   map[string]*memoryLock
	version int
}

// NewMemory returns an empty store.
func NewMemory() *Memory {
	return &Memory{blobs: map[string][]byte{}, locks: map[string]*memoryLock{}}
}

// Get implements Store.
func (m *Memory) Get(ctx context.Context, name string) ([]byte, error) {
	if err := firstError(ctx.Err(), checkName(name)); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	blob, ok := m.blobs[name]
	if !ok {
		return nil, fmt.Errorf("%s: %w", name, ErrNotFound)
	}
	return bytes.Clone(blob), nil
}

// Put implements Store.
func (m *Memory) Put(ctx context.Context, name string, blob []byte) error {
	if err := firstError(ctx.Err(), checkBlob(name, blob)); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.blobs[name] = append([]byte{}, blob...)
	m.version++
	return nil
}

// Delete implements Store.
func (m *Memory) Delete(ctx context.Context, name string) error {
	if err := firstError(ctx.Err(), checkName(name)); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.blobs[name]; !ok {
		return fmt.Errorf("%s: %w", name, ErrNotFound)
	}
	delete(m.blobs, name)
	m.version++
	return nil
}

// List implements Store.
func (m *Memory) List(ctx context.Context) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Keys(m.blobs)), ctx.Err()
}

// Lock implements Store.
func (m *Memory) Lock(ctx context.Context, name string) (func(), error) {
	return m.acquire(ctx, name, exclusive)
}

// Share implements Store.
func (m *Memory) Share(ctx context.Context, name string) (func(), error) {
	return m.acquire(ctx, name, 1)
}

// exclusive is how much of a name one holder takes who wants it alone.
const exclusive = 1 << 30

// memoryLock is who holds a name. It is guarded by Memory.mu.
type memoryLock struct {
	held  int           // 1 for each who shares it
	freed chan struct{} // closed when somebody lets go
}

func (m *Memory) acquire(ctx context.Context, name string, weight int) (func(), error) {
	if err := firstError(ctx.Err(), checkName(name)); err != nil {
		return nil, err
	}
	for {
		freed, ok := m.try(name, weight)
		if ok {
			return sync.OnceFunc(func() { m.release(name, weight) }), nil
		}
		select {
		case <-freed:
		case <-ctx.Done():
			return nil, fmt.Errorf("%s: %w: %w", name, ErrBusy, context.Cause(ctx))
		}
	}
}

func (m *Memory) try(name string, weight int) (freed <-chan struct{}, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.locks[name]
	if l == nil {
		l = &memoryLock{freed: make(chan struct{})}
		m.locks[name] = l
	}
	if l.held+weight > exclusive {
		return l.freed, false
	}
	l.held += weight
	return nil, true
}

func (m *Memory) release(name string, weight int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.locks[name]
	l.held -= weight
	close(l.freed)
	l.freed = make(chan struct{})
}

// Version implements Store.
func (m *Memory) Version(ctx context.Context) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return strconv.Itoa(m.version), ctx.Err()
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

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
	locks   map[string]chan struct{}
	version int
}

// NewMemory returns an empty store.
func NewMemory() *Memory {
	return &Memory{blobs: map[string][]byte{}, locks: map[string]chan struct{}{}}
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
	if err := firstError(ctx.Err(), checkName(name)); err != nil {
		return nil, err
	}
	held := m.lock(name)
	select {
	case held <- struct{}{}:
		return sync.OnceFunc(func() { <-held }), nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%s: %w: %w", name, ErrBusy, context.Cause(ctx))
	}
}

// lock returns the channel that holds one token while name is locked.
func (m *Memory) lock(name string) chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.locks[name] == nil {
		m.locks[name] = make(chan struct{}, 1)
	}
	return m.locks[name]
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

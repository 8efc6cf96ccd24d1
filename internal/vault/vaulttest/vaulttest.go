// Package vaulttest is the conformance suite of vault.Store and
// vault.KeySource. A new store or key source passes it in ten lines:
//
//	func TestDir(t *testing.T) {
//		open := func(location string) (vault.Store, error) { return vault.CreateDir(location) }
//		vaulttest.Store(t, open)
//		vaulttest.Processes(t, open)
//	}
//
// It knows the two interfaces and nothing of how they are implemented.
package vaulttest

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"authsome/internal/vault"
)

// Open opens the store at a location, a path below which nothing exists yet
// when the store is first opened. A store that keeps no files may ignore it,
// but opens the same store for the same location.
type Open func(location string) (vault.Store, error)

// Store checks everything vault.Store promises within one process.
func Store(t *testing.T, open Open) {
	for name, test := range map[string]func(*testing.T, func() vault.Store){
		"blobs": blobs, "names": names, "sizes": sizes, "aliasing": aliasing, "version": version,
		"lock": lock, "lock waits no longer than ctx": lockDeadline, "cancelled": cancelled,
		"share":                 share,
		"V018_parallel writers": parallel, "replacing is atomic": replacing,
	} {
		t.Run(name, func(t *testing.T) {
			location := filepath.Join(t.TempDir(), "home", "store")
			test(t, func() vault.Store { return must(open(location))(t) })
		})
	}
}

func blobs(t *testing.T, open func() vault.Store) {
	ctx, s := t.Context(), open()
	wantErr(t, second(s.Get(ctx, "a")), vault.ErrNotFound)
	wantErr(t, s.Delete(ctx, "a"), vault.ErrNotFound)
	want := map[string]string{}
	put := func(name, blob string) {
		wantErr(t, s.Put(ctx, name, []byte(blob)), nil)
		want[name] = blob
	}
	put("a", "one")
	put("b", "")
	put("c-0", "three\x00\xff")
	put("a", "longer than before")
	put("a", "short")
	wantErr(t, s.Delete(ctx, "c-0"), nil)
	wantErr(t, s.Delete(ctx, "c-0"), vault.ErrNotFound)
	delete(want, "c-0")
	if diff := cmp.Diff(want, contents(t, open())); diff != "" {
		t.Errorf("another opening of the store (-want +got):\n%s", diff)
	}
}

func names(t *testing.T, open func() vault.Store) {
	ctx, s := t.Context(), open()
	for _, name := range []string{"", "-a", ".", "..", "a/b", "/a", "A", "a.b", "ä", "a\x00", "a b", strings.Repeat("a", 129)} {
		wantErr(t, s.Put(ctx, name, nil), vault.ErrInvalidName)
		wantErr(t, second(s.Get(ctx, name)), vault.ErrInvalidName)
		wantErr(t, s.Delete(ctx, name), vault.ErrInvalidName)
		wantErr(t, second(s.Lock(ctx, name)), vault.ErrInvalidName)
	}
	wantErr(t, s.Put(ctx, strings.Repeat("z", 128), []byte("x")), nil)
	if got := len(contents(t, s)); got != 1 {
		t.Errorf("%d blobs, want 1", got)
	}
}

func sizes(t *testing.T, open func() vault.Store) {
	ctx, s := t.Context(), open()
	largest := strings.Repeat("x", vault.MaxBlob)
	wantErr(t, s.Put(ctx, "a", []byte(largest)), nil)
	wantErr(t, s.Put(ctx, "a", []byte(largest+"x")), vault.ErrTooLarge)
	if diff := cmp.Diff(map[string]string{"a": largest}, contents(t, s)); diff != "" {
		t.Errorf("the largest blob came back different")
	}
}

func aliasing(t *testing.T, open func() vault.Store) {
	ctx, s := t.Context(), open()
	blob := []byte("good")
	wantErr(t, s.Put(ctx, "a", blob), nil)
	copy(blob, "evil")
	got, err := s.Get(ctx, "a")
	wantErr(t, err, nil)
	copy(got, "evil")
	if diff := cmp.Diff(map[string]string{"a": "good"}, contents(t, s)); diff != "" {
		t.Errorf("the store shares memory with its caller (-want +got):\n%s", diff)
	}
}

// version makes changes faster than a file system's clock ticks.
func version(t *testing.T, open func() vault.Store) {
	ctx, s, other := t.Context(), open(), open()
	seen := map[string]bool{}
	for i := range 200 {
		before := must(other.Version(ctx))(t)
		if again := must(other.Version(ctx))(t); again != before {
			t.Fatalf("version changed from %q to %q by asking", before, again)
		}
		if i%3 == 2 {
			wantErr(t, s.Delete(ctx, "a"), nil)
		} else {
			wantErr(t, s.Put(ctx, "a", []byte("same")), nil)
		}
		after := must(other.Version(ctx))(t)
		if seen[after] || after == before {
			t.Fatalf("change %d: version %q was seen before", i, after)
		}
		seen[after] = true
	}
}

func lock(t *testing.T, open func() vault.Store) {
	const holders, rounds = 8, 25
	var wg sync.WaitGroup
	var inside atomic.Int32
	for range holders {
		s := open()
		wg.Go(func() {
			for range rounds {
				unlock, err := s.Lock(t.Context(), "a")
				if err != nil {
					t.Error(err)
					return
				}
				if n := inside.Add(1); n != 1 {
					t.Errorf("%d holders at once", n)
				}
				runtime.Gosched()
				inside.Add(-1)
				unlock()
			}
		})
	}
	wg.Wait()
}

func lockDeadline(t *testing.T, open func() vault.Store) {
	s, other := open(), open()
	unlock := must(s.Lock(t.Context(), "a"))(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	wantErr(t, second(other.Lock(ctx, "a")), vault.ErrBusy)
	if waited := time.Since(start); waited > 5*time.Second {
		t.Errorf("waited %v for 50 ms", waited)
	}
	must(other.Lock(t.Context(), "b"))(t)() // another name is free
	unlock()
	unlock() // a second call does nothing
	again := must(other.Lock(t.Context(), "a"))(t)
	unlock() // above all it does not let go what another holds now
	ctx, cancel = context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	wantErr(t, second(s.Lock(ctx, "a")), vault.ErrBusy)
	again()
}

func cancelled(t *testing.T, open func() vault.Store) {
	s := open()
	wantErr(t, s.Put(t.Context(), "a", []byte("x")), nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	wantErr(t, s.Put(ctx, "a", []byte("y")), context.Canceled)
	wantErr(t, s.Delete(ctx, "a"), context.Canceled)
	wantErr(t, second(s.Lock(ctx, "a")), context.Canceled)
	if diff := cmp.Diff(map[string]string{"a": "x"}, contents(t, s)); diff != "" {
		t.Errorf("a cancelled call changed something (-want +got):\n%s", diff)
	}
}

func parallel(t *testing.T, open func() vault.Store) {
	var wg sync.WaitGroup
	want := map[string]string{}
	for i := range 100 {
		name := fmt.Sprintf("n%d", i)
		blob := strings.Repeat(name, 50)
		want[name] = blob
		s := open()
		wg.Go(func() {
			for range 3 {
				if err := s.Put(t.Context(), name, []byte(blob)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if diff := cmp.Diff(want, contents(t, open())); diff != "" {
		t.Errorf("after parallel writers (-want +got):\n%s", diff)
	}
}

// replacing reads a blob while it is replaced by blobs of other lengths.
func replacing(t *testing.T, open func() vault.Store) {
	s, done := open(), make(chan struct{})
	blob := func(i int) []byte { return []byte(strings.Repeat(string(rune('a'+i%26)), 1+i*37%9000)) }
	wantErr(t, s.Put(t.Context(), "a", blob(0)), nil)
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(done)
		for i := range 200 {
			if err := s.Put(t.Context(), "a", blob(i)); err != nil {
				t.Error(err)
			}
		}
	})
	whole := map[string]bool{}
	for i := range 200 {
		whole[string(blob(i))] = true
	}
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		got, err := s.Get(t.Context(), "a")
		if err != nil || !whole[string(got)] {
			t.Errorf("read %d bytes that were never written whole, error %v", len(got), err)
			break
		}
	}
	wg.Wait()
}

// share lets several in at once, and nobody with a Lock.
func share(t *testing.T, open func() vault.Store) {
	s, other := open(), open()
	one, two := must(s.Share(t.Context(), "a"))(t), must(other.Share(t.Context(), "a"))(t)
	busy := func(take func(context.Context, string) (func(), error)) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		wantErr(t, second(take(ctx, "a")), vault.ErrBusy)
	}
	busy(open().Lock)
	one()
	busy(s.Lock)
	waiting := make(chan func())
	go func() {
		unlock, err := open().Lock(t.Context(), "a")
		if err != nil {
			t.Error(err)
		}
		waiting <- unlock
	}()
	must(s.Share(t.Context(), "a"))(t)() // although somebody waits
	two()
	unlock := <-waiting
	busy(s.Share)
	unlock()
	must(s.Share(t.Context(), "a"))(t)()
}

// contents reads the whole store.
func contents(t *testing.T, s vault.Store) map[string]string {
	t.Helper()
	got := map[string]string{}
	for _, name := range must(s.List(t.Context()))(t) {
		if _, twice := got[name]; twice {
			t.Errorf("%s is listed twice", name)
		}
		got[name] = string(must(s.Get(t.Context(), name))(t))
	}
	return got
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func second[T any](_ T, err error) error { return err }

func wantErr(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) || (want == nil && err != nil) {
		t.Errorf("error %v, want %v", err, want)
	}
}

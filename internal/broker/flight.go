package broker

import (
	"context"
	"errors"
	"sync"
	"time"
)

// farewell is how long Close waits for refreshes before it ends them.
const farewell = 10 * time.Second

var (
	errClosed = errors.New("authsome is about to end")
	errSlow   = errors.New("no answer within 30 seconds")
)

// refreshes is every refresh of this process: those under way, and the failed
// ones that are not to be repeated yet.
type refreshes struct {
	ctx     context.Context // ends those under way
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu      sync.Mutex // guards the fields below
	closed  bool
	flights map[string]*flight    // by connection and generation
	kept    map[string]Connection // renewed and not committed, by the generation before
}

// flight is one refresh; everyone who wants it waits for the same.
type flight struct {
	done   chan struct{} // closed when the fields below are set
	got    Connection
	err    error
	intent *intent // of a failed one: when there may be another
}

func newRefreshes() *refreshes {
	ctx, cancel := context.WithCancel(context.Background())
	return &refreshes{ctx: ctx, cancel: cancel, flights: map[string]*flight{}, kept: map[string]Connection{}}
}

// start runs a refresh in the background, unless one of the same credential
// is under way, or failed so lately that its failure stands.
func (r *refreshes) start(c Connection, urgent bool, run func(context.Context) (Connection, *intent, error)) *flight {
	key := c.String() + " " + c.generation()
	r.mu.Lock()
	defer r.mu.Unlock()
	if f, ok := r.flights[key]; ok && !f.over(urgent) {
		return f
	}
	f := &flight{done: make(chan struct{})}
	if r.closed {
		f.err = refreshFailed(c, errClosed)
		close(f.done)
		return f
	}
	r.flights[key] = f
	r.running.Go(func() {
		f.got, f.intent, f.err = run(r.ctx)
		r.land(key, f)
	})
	return f
}

// land hands out what came of a flight, and forgets it unless its failure is
// to stand.
func (r *refreshes) land(key string, f *flight) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if f.intent == nil {
		delete(r.flights, key)
	}
	close(f.done)
}

// over reports whether a flight has ended and another may start.
func (f *flight) over(urgent bool) bool {
	select {
	case <-f.done:
		return f.intent == nil || f.intent.due(urgent, now())
	default:
		return false
	}
}

// wait returns what came of a flight that wanted to renew c.
func (f *flight) wait(ctx context.Context, c Connection) (Connection, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errSlow)
	defer cancel()
	select {
	case <-f.done:
		return f.got, f.err
	case <-ctx.Done():
		return c, refreshFailed(c, context.Cause(ctx))
	}
}

// close lets no further refresh start, waits for those under way, and in the
// end cuts them short.
func (r *refreshes) close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	timer := time.AfterFunc(farewell, r.cancel)
	r.running.Wait()
	timer.Stop()
	r.cancel()
}

// keep, unsaved and saved hold what could not be committed yet.
func (r *refreshes) keep(generation string, c Connection) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kept[generation] = c
}

func (r *refreshes) unsaved(generation string) (Connection, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, ok := r.kept[generation]
	return c, ok
}

func (r *refreshes) saved(generation string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.kept, generation)
}

package audit

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTail(t *testing.T) {
	l := openLimit(t, filepath.Join(t.TempDir(), "audit.log"), 1000)
	var all []Entry
	for i := range 30 {
		e := Entry{Event: Use, Provider: "a", Host: "A.test", Decision: Allow}
		if i%3 == 0 {
			e = Entry{Event: Refuse, Provider: "b", Host: "b.test", Decision: Deny}
		}
		all = append(all, mustAppend(t, l, e))
	}
	only := func(keep func(Entry) bool) (kept []Entry) {
		for _, e := range all {
			if keep(e) {
				kept = append(kept, e)
			}
		}
		return kept
	}
	tests := map[string]struct {
		n    int
		f    Filter
		want []Entry
	}{
		"none":             {0, Filter{}, nil},
		"all":              {-1, Filter{}, all},
		"more than exist":  {1_000_000_000, Filter{}, all},
		"last":             {1, Filter{}, all[29:]},
		"over three files": {20, Filter{}, all[10:]},
		"provider":         {-1, Filter{Provider: "a"}, only(func(e Entry) bool { return e.Provider == "a" })},
		"host, any case":   {-1, Filter{Host: "a.TEST"}, only(func(e Entry) bool { return e.Provider == "a" })},
		"decision":         {2, Filter{Decision: Deny}, []Entry{all[24], all[27]}},
		"event":            {3, Filter{Event: Refuse}, []Entry{all[21], all[24], all[27]}},
		"since":            {-1, Filter{Since: all[12].Time}, only(func(e Entry) bool { return !e.Time.Before(all[12].Time) })},
		"nothing matches":  {5, Filter{Provider: "c"}, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, mustTail(t, l.path, tt.n, tt.f)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTailNoLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	if _, _, err := Tail(path, 10, Filter{}); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v", err)
	}
}

func TestEachStops(t *testing.T) {
	l := newLog(t)
	mustAppend(t, l, Entry{Event: Login})
	mustAppend(t, l, Entry{Event: Login})
	stop, calls := errors.New("stop"), 0
	_, err := Each(l.path, -1, Filter{}, func(Entry) error { calls++; return stop })
	if err != stop || calls != 1 {
		t.Errorf("%d calls, error %v", calls, err)
	}
}

func TestTailHostile(t *testing.T) {
	t.Run("L010_garbage_lines", testGarbage)
	t.Run("L010_two_gigabytes", testTwoGigabytes)
}

func testGarbage(t *testing.T) {
	l := newLog(t)
	first := mustAppend(t, l, Entry{Event: Login})
	bad := []string{
		"\x00\xff\xfe", "{}", "[]", "null", `{"time":"yesterday","event":"use"}`, `{"event":"use"}`, `{"time":"2026-01-01T00:00:00Z"}`,
		strings.Repeat("x", maxLine), strings.Repeat("x", maxLine+1), strings.Repeat("y", 3*maxLine), strings.Repeat("[", 50000),
		`{"timestamp":"2026-01-01T00:00:00+00:00","event":"login"}`,
	}
	tear(t, l.path, strings.Join(bad, "\n")+"\n\n\n")
	last := mustAppend(t, l, Entry{Event: Logout})
	entries, skipped, err := Tail(l.path, 2, Filter{})
	if err != nil || skipped != len(bad) {
		t.Errorf("%d skipped of %d, error %v", skipped, len(bad), err)
	}
	if diff := cmp.Diff([]Entry{first, last}, entries); diff != "" {
		t.Error(diff)
	}
	if _, skipped, _ := Tail(l.path, 1, Filter{}); skipped != 0 {
		t.Errorf("%d skipped after the last entry", skipped)
	}
}

// The files have a hole, which reads as one very long line. Reading all of
// 2 GiB takes a minute under the race detector, so that part is smaller.
func testTwoGigabytes(t *testing.T) {
	for n, size := range map[int]int64{1: 2 << 30, -1: 256 << 20} {
		l := openLimit(t, filepath.Join(t.TempDir(), "audit.log"), 4<<30)
		first := mustAppend(t, l, Entry{Event: Login})
		if err := os.Truncate(l.path, size); err != nil {
			t.Fatal(err)
		}
		l.looked = time.Time{}
		last := mustAppend(t, l, Entry{Event: Logout})
		var got []Entry
		heap := peakHeap(t, func() {
			var err error
			if got, _, err = Tail(l.path, n, Filter{}); err != nil {
				t.Error(err)
			}
		})
		want := map[int][]Entry{1: {last}, -1: {first, last}}[n]
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if heap > 32<<20 {
			t.Errorf("n=%d: the heap grew by %d bytes", n, heap)
		}
	}
}

// peakHeap watches the heap while do runs.
func peakHeap(t *testing.T, do func()) uint64 {
	t.Helper()
	size := func() uint64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapInuse
	}
	runtime.GC()
	before, peak := size(), uint64(0)
	done := make(chan struct{})
	go func() { defer close(done); do() }()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		peak = max(peak, size())
		select {
		case <-done:
			return max(peak, before) - before
		case <-tick.C:
		}
	}
}

func TestFollow(t *testing.T) {
	l := openLimit(t, filepath.Join(t.TempDir(), "audit.log"), 4000)
	mustAppend(t, l, Entry{Event: Login, Detail: "before"})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	seen, done := make(chan Entry, 1000), make(chan error)
	go func() {
		done <- Follow(ctx, l.path, Filter{Event: Use}, func(e Entry) { seen <- e })
	}()
	// Until the first line is seen, Follow may not have begun.
	for begun := false; !begun; {
		mustAppend(t, l, Entry{Event: Use, Detail: "begin"})
		select {
		case <-seen:
			begun = true
		case <-time.After(10 * time.Millisecond):
		}
	}
	var want []Entry
	for i := range 60 { // several files
		mustAppend(t, l, Entry{Event: Answer})
		want = append(want, mustAppend(t, l, Entry{Event: Use}))
		if i%20 == 0 {
			tear(t, l.path, "half a li")
		}
	}
	var got []Entry
	for len(got) < len(want) {
		select {
		case e := <-seen:
			if e.Detail == "" {
				got = append(got, e)
			}
		case <-ctx.Done():
			t.Fatalf("%d of %d entries after a minute", len(got), len(want))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestFollowNoLogYet(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var got Entry
	done := make(chan error)
	go func() {
		done <- Follow(ctx, path, Filter{}, func(e Entry) { got = e; cancel() })
	}()
	time.Sleep(2 * followEvery)
	want := mustAppend(t, openLimit(t, path, maxSize), Entry{Event: Login})
	if err := <-done; err != nil || got != want {
		t.Errorf("%+v, error %v", got, err)
	}
}

// FuzzTail: whatever the file holds, reading it backwards and forwards agrees,
// and what was read is written and read the same.
func FuzzTail(f *testing.F) {
	line := string(appendEntry(nil, Entry{Time: time.Unix(1, 0), Seq: 1, Run: "r", Event: Use, Path: "/\n"}))
	f.Add([]byte(line+"\n"+line+"\n"), 1)
	f.Add([]byte(line[:30]+line+"\n\n"+line), 2)
	f.Add([]byte("\x00\n{}\n"+line), 1)
	f.Fuzz(func(t *testing.T, content []byte, n int) {
		path := filepath.Join(t.TempDir(), "audit.log")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		all, skipped, err := Tail(path, -1, Filter{})
		if err != nil || skipped+len(all) > 2*(bytes.Count(content, []byte("\n"))+1) {
			t.Fatalf("%d skipped, error %v", skipped, err)
		}
		n = min(max(n, 1), max(len(all), 1))
		last, _, err := Tail(path, n, Filter{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(all[max(0, len(all)-n):], last); diff != "" {
			t.Fatal(diff)
		}
		for _, e := range all {
			checkLine(t, appendEntry(nil, e))
			if again, bad := parse(appendEntry(nil, e)); bad != 0 || again.Event == "" || again.Seq != e.Seq {
				t.Fatalf("%+v came back as %+v", e, again)
			}
		}
	})
}

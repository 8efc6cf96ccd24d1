package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func newLog(t *testing.T) *Log {
	t.Helper()
	return openLimit(t, filepath.Join(t.TempDir(), "audit.log"), maxSize)
}

func openLimit(t *testing.T, path string, limit int64) *Log {
	t.Helper()
	l, err := open(path, limit)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func mustAppend(t *testing.T, l *Log, e Entry) Entry {
	t.Helper()
	written, err := l.Append(e)
	if err != nil {
		t.Fatal(err)
	}
	return written
}

func mustTail(t *testing.T, path string, n int, f Filter) []Entry {
	t.Helper()
	entries, skipped, err := Tail(path, n, f)
	if err != nil || skipped != 0 {
		t.Fatalf("Tail: %d skipped, error %v", skipped, err)
	}
	return entries
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAppend(t *testing.T) {
	l := newLog(t)
	use := mustAppend(t, l, Entry{
		Event: Use, Profile: "default", Provider: "openai", Connection: "work", Host: "api.openai.com",
		Method: "POST", Path: "/v1/responses", Decision: Allow, Reason: "exact host", Detail: "header",
	})
	answer := mustAppend(t, l, Entry{Event: Answer, ID: use.ID, Status: 200})
	if use.ID != use.Seq || answer.ID != use.ID {
		t.Errorf("ids: use %+v, answer %+v", use, answer)
	}
	if age := time.Since(use.Time); age < 0 || age > time.Minute {
		t.Errorf("time is %v off", age)
	}
	want := fmt.Sprintf(`{"time":"%s","seq":1,"run":"%s","event":"use","id":1,"profile":"default","provider":"openai",`+
		`"connection":"work","host":"api.openai.com","method":"POST","path":"/v1/responses","decision":"allow",`+
		`"reason":"exact host","detail":"header"}`+"\n"+
		`{"time":"%s","seq":2,"run":"%[2]s","event":"answer","id":1,"status":200}`+"\n",
		use.Time.Format(timeFormat), use.Run, answer.Time.Format(timeFormat))
	if diff := cmp.Diff(want, string(read(t, l.path))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]Entry{use, answer}, mustTail(t, l.path, -1, Filter{})); diff != "" {
		t.Error(diff)
	}
}

// What can wait is written with the next line, at the end, or soon.
func TestLater(t *testing.T) {
	l := newLog(t)
	use := mustAppend(t, l, Entry{Event: Use})
	l.Later(Entry{Event: Answer, ID: use.ID, Status: 200})
	next := mustAppend(t, l, Entry{Event: Use})
	l.Later(Entry{Event: Answer, ID: next.ID, Status: 201})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range mustTail(t, l.path, -1, Filter{}) {
		got = append(got, fmt.Sprintf("%d %s %d %d", e.Seq, e.Event, e.ID, e.Status))
	}
	if diff := cmp.Diff([]string{"1 use 1 0", "2 answer 1 200", "3 use 3 0", "4 answer 3 201"}, got); diff != "" {
		t.Error(diff)
	}
	l.Later(Entry{Event: Answer}) // and nothing happens

	l = newLog(t)
	l.Later(Entry{Event: Answer, Status: 204})
	for len(mustTail(t, l.path, -1, Filter{})) == 0 {
		time.Sleep(laterTime)
	}
	for range 200 { // more than is kept
		l.Later(Entry{Event: Answer, Path: "/" + strings.Repeat("x", 100)})
	}
	if info, err := os.Stat(l.path); err != nil || info.Size() < 10_000 {
		t.Errorf("%v, %d bytes", err, info.Size())
	}
}

func TestAppendAfterClose(t *testing.T) {
	l := newLog(t)
	for range 2 {
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.Append(Entry{Event: Use}); !errors.Is(err, os.ErrClosed) {
		t.Fatal(err)
	}
}

func TestAudit(t *testing.T) {
	t.Run("L001_one_escaped_object_per_line", testHostileFields)
	t.Run("L003_no_query_no_userinfo", testTargets)
	t.Run("L005_rotation_by_many_goroutines", testConcurrentRotation)
	t.Run("L009_clock_and_sequence", testSequence)
}

func testHostileFields(t *testing.T) {
	hostile := []string{
		"/x\n{\"event\":\"login\"}", "/\r\n\x00\x07\x1b[31mred\x1b]52;c;Zm9v\x07", "/\u202e\u2066\u200b\u2028\ufeff\u0085\u009b\U000e0041",
		"/\xff\xfe\xc0\xaf", `/"},{"a":"b\`, "/" + strings.Repeat("\x1b", 5000), "/" + strings.Repeat("é", 5000), "/é日本🔑",
	}
	l := newLog(t)
	var want []Entry
	for _, s := range hostile {
		want = append(want, mustAppend(t, l, Entry{
			Event: s, Profile: s, Provider: s, Connection: s, Host: s, Method: s, Path: s, Decision: s, Reason: s, Detail: s,
		}))
	}
	lines := bytes.Split(bytes.TrimSuffix(read(t, l.path), []byte("\n")), []byte("\n"))
	if len(lines) != len(want) {
		t.Fatalf("%d lines for %d entries", len(lines), len(want))
	}
	for i, line := range lines {
		checkLine(t, line)
		var fields map[string]any
		if err := json.Unmarshal(line, &fields); err != nil {
			t.Fatalf("line %d: %v", i, err)
		}
		long := len(hostile[i]) > maxField
		if got := fields["method"].(string); !long && got != strings.ToValidUTF8(hostile[i], "\ufffd") && i != 3 {
			t.Errorf("method came back as %q", got)
		} else if long && !strings.HasSuffix(got, cut) {
			t.Errorf("no mark at the end of a field that was cut: %q", got[len(got)-10:])
		}
	}
	if got := len(mustTail(t, l.path, -1, Filter{})); got != len(want) {
		t.Errorf("%d entries read, want %d", got, len(want))
	}
}

// checkLine fails on anything a terminal could act on and on long fields.
func checkLine(t *testing.T, line []byte) {
	t.Helper()
	for _, r := range string(line) {
		if r < ' ' || 0x7f <= r && r < 0xa0 || strings.ContainsRune("\u202e\u2066\u200b\u2028\ufeff\U000e0041", r) {
			t.Errorf("%U is not escaped", r)
		}
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(line, &fields); err != nil {
		t.Fatalf("%v in %q", err, line)
	}
	for key, value := range fields {
		if len(value) > maxField+len(`""`) {
			t.Errorf("%s is %d bytes", key, len(value))
		}
	}
}

func testTargets(t *testing.T) {
	tests := []struct{ host, path, wantHost, wantPath string }{
		{"api.test", "/v1?access_token=s3cret", "api.test", "/v1"},
		{"user:s3cret@api.test:443", "/a#frag?key=s3cret", "api.test:443", "/a"},
		{"api.test", "https://user:s3cret@api.test/v1/x?code=s3cret", "api.test", "/v1/x"},
		{"api.test", "https://user:s3cret@api.test", "api.test", "/"},
		{"api.test", "user:s3cret@api.test:443", "api.test", "api.test:443"},
		{"", "*", "", "*"},
		{"", "/at@sign://x", "", "/at@sign://x"},
	}
	l := newLog(t)
	for _, tt := range tests {
		got := mustAppend(t, l, Entry{Event: Use, Host: tt.host, Path: tt.path})
		if got.Host != tt.wantHost || got.Path != tt.wantPath {
			t.Errorf("%q %q became %q %q", tt.host, tt.path, got.Host, got.Path)
		}
	}
	if bytes.Contains(read(t, l.path), []byte("s3cret")) {
		t.Error("the secret is in the log")
	}
}

func testSequence(t *testing.T) {
	l := newLog(t)
	for i := range 100 {
		e := mustAppend(t, l, Entry{Event: Use})
		if e.Seq != uint64(i+1) {
			t.Fatalf("line %d has seq %d", i+1, e.Seq)
		}
	}
	other := openLimit(t, l.path, maxSize)
	if e := mustAppend(t, other, Entry{Event: Use}); e.Seq != 1 || e.Run == l.run || len(e.Run) != 16 {
		t.Errorf("another run: %+v", e)
	}
	for _, line := range bytes.Split(bytes.TrimSpace(read(t, l.path)), []byte("\n")) {
		var e struct{ Time string }
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatal(err)
		}
		if at, err := time.Parse(time.RFC3339, e.Time); err != nil || at.Location() != time.UTC || len(e.Time) != len(timeFormat) {
			t.Fatalf("time %q: %v", e.Time, err)
		}
	}
}

func testConcurrentRotation(t *testing.T) {
	const logs, goroutines, lines = 3, 4, 100
	path := filepath.Join(t.TempDir(), "audit.log")
	var wg sync.WaitGroup
	for range logs {
		l := openLimit(t, path, 32<<10)
		for range goroutines {
			wg.Go(func() {
				for range lines {
					if _, err := l.Append(Entry{Event: Use, Host: "api.test", Path: "/some/path"}); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	wg.Wait()
	checkComplete(t, path, logs, goroutines*lines)
	if _, err := os.Stat(rotated(path, 2)); err != nil {
		t.Error("never rotated twice: ", err)
	}
}

// checkComplete wants every sequence number of every run once.
func checkComplete(t *testing.T, path string, runs, lines int) {
	t.Helper()
	seen := map[string]map[uint64]int{}
	for _, e := range mustTail(t, path, -1, Filter{}) {
		if seen[e.Run] == nil {
			seen[e.Run] = map[uint64]int{}
		}
		seen[e.Run][e.Seq]++
	}
	if len(seen) != runs {
		t.Errorf("%d runs in the log, want %d", len(seen), runs)
	}
	for run, seqs := range seen {
		for i := range lines {
			if n := seqs[uint64(i+1)]; n != 1 {
				t.Errorf("run %s: seq %d is there %d times", run, i+1, n)
			}
		}
	}
}

func TestRotation(t *testing.T) {
	l := openLimit(t, filepath.Join(t.TempDir(), "audit.log"), 1000)
	var last Entry
	for range 200 {
		last = mustAppend(t, l, Entry{Event: Use, Path: "/x"})
	}
	names, err := filepath.Glob(l.path + "*")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{l.path, l.path + ".1", l.path + ".2", l.path + ".3", l.path + ".4", l.path + ".5"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
	entries := mustTail(t, l.path, -1, Filter{})
	if diff := cmp.Diff(last, entries[len(entries)-1]); diff != "" {
		t.Error(diff)
	}
	for i, e := range entries[1:] {
		if e.Seq != entries[i].Seq+1 {
			t.Fatalf("seq %d follows %d", e.Seq, entries[i].Seq)
		}
	}
	for _, name := range names {
		if info, err := os.Stat(name); err != nil || info.Size() > 1200 {
			t.Errorf("%s: %v, %d bytes", name, err, info.Size())
		}
	}
}

// A log that can't be rotated goes on in the same file.
func TestRotationBlocked(t *testing.T) {
	l := openLimit(t, filepath.Join(t.TempDir(), "audit.log"), 1000)
	if err := os.MkdirAll(l.path+".1/in the way", 0o700); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if err := os.MkdirAll(l.path+".5/in the way", 0o700); err != nil {
			t.Fatal(err)
		}
		for range 20 {
			mustAppend(t, l, Entry{Event: Use})
		}
	}
	if got := len(mustTail(t, l.path, -1, Filter{})); got != 100 {
		t.Errorf("%d entries, want 100", got)
	}
}

func TestTornLine(t *testing.T) {
	for _, rest := range []string{`{"time":"2026-01-01T00:00:00.0000`, "garbage", "\x00\x00\x00"} {
		l := newLog(t)
		first := mustAppend(t, l, Entry{Event: Login})
		tear(t, l.path, rest)
		l.looked = time.Time{}
		second := mustAppend(t, l, Entry{Event: Logout})
		third := mustAppend(t, l, Entry{Event: Login})
		entries, skipped, err := Tail(l.path, -1, Filter{})
		if err != nil || skipped != 1 {
			t.Errorf("%d skipped, error %v", skipped, err)
		}
		if diff := cmp.Diff([]Entry{first, second, third}, entries); diff != "" {
			t.Error(diff)
		}
		if n := bytes.Count(read(t, l.path), []byte("\n")); n != 4 {
			t.Errorf("%d lines, want 4", n)
		}
	}
}

func tear(t *testing.T, path, rest string) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteString(rest); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}

func BenchmarkAppend(b *testing.B) {
	l, err := Open(filepath.Join(b.TempDir(), "audit.log"))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	e := Entry{
		Event: Use, Profile: "default", Provider: "openai", Connection: "default", Host: "api.openai.com",
		Method: "POST", Path: "/v1/responses", Decision: Allow,
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := l.Append(e); err != nil {
			b.Fatal(err)
		}
	}
}

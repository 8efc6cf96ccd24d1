package broker_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"authsome/internal/broker"
	"authsome/internal/inject"
	"authsome/internal/secret"
)

// manager is a password manager.
type manager struct {
	mu    sync.Mutex
	value string
	err   error
	asked int
	slow  time.Duration
}

func (m *manager) fetch(ctx context.Context, s broker.Source) (map[string]secret.Text, error) {
	m.mu.Lock()
	m.asked++
	value, err, slow := m.value, m.err, m.slow
	m.mu.Unlock()
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-time.After(slow):
	}
	if err != nil {
		return nil, err
	}
	return map[string]secret.Text{s.Fields[0]: secret.New(value)}, nil
}

func (m *manager) set(value string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.value, m.err = value, err
}

func (m *manager) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.asked
}

// newSourceWorld has provider alpha, logged in from m for a minute at a time.
func newSourceWorld(t *testing.T, m *manager) *world {
	w := newWorld(t)
	w.fetch = m.fetch
	w.define("alpha", `"alpha.test.example"`, bearer)
	w.loginSource(t, w.open(), false)
	return w
}

func (w *world) loginSource(t *testing.T, b *broker.Broker, want bool) {
	t.Helper()
	got, err := b.Login(t.Context(), broker.LoginRequest{
		Provider: "alpha", Flow: "api_key", Source: &broker.Source{Command: []string{"op", "read"}, MaxAge: time.Minute},
	})
	if err != nil || got.Already != want {
		t.Fatal(got, err)
	}
}

// sent is the field that a request has after Authorize, or the code of its
// refusal.
func sent(s *broker.Session) (broker.Use, string) {
	r := get("https://alpha.test.example/")
	use, err := s.Authorize(r)
	var denied *broker.Denied
	if errors.As(err, &denied) {
		return use, string(denied.Code)
	}
	return use, r.Header.Get("Authorization")
}

func wantSent(t *testing.T, s *broker.Session, want string) broker.Use {
	t.Helper()
	use, got := sent(s)
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	return use
}

// TestSource: the value is fetched at use, kept for the time that was stated,
// and then fetched anew. It is in no file.
func TestSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &manager{value: "CANARY-one"}
		w := newSourceWorld(t, m)
		w.loginSource(t, w.open(), true)
		s := w.session(broker.Selection{})
		first := wantSent(t, s, "Bearer CANARY-one")
		time.Sleep(59 * time.Second)
		m.set("CANARY-two", nil)
		wantSent(t, s, "Bearer CANARY-one")
		time.Sleep(2 * time.Second)
		second := wantSent(t, s, "Bearer CANARY-two")
		if first.Pool == second.Pool {
			t.Error("two values share a pool")
		}
		time.Sleep(2 * time.Minute)
		if third := wantSent(t, s, "Bearer CANARY-two"); third.Pool != second.Pool {
			t.Error("one value has two pools")
		}
		if got := m.count(); got != 4 { // the login's own, and three
			t.Errorf("asked %d times", got)
		}
		if got := s.Placeholders(nil); cmp.Diff(map[string]string{"ALPHA_KEY": inject.Placeholder}, got) != "" {
			t.Error(got)
		}
		w.noCanary(t)
	})
}

// TestSourceFails: what can't be fetched is refused, also when an older value
// is in memory, and not asked for by every request.
func TestSourceFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &manager{value: "CANARY-one"}
		w := newSourceWorld(t, m)
		s := w.session(broker.Selection{})
		wantSent(t, s, "Bearer CANARY-one")
		time.Sleep(2 * time.Minute)
		for _, bad := range []struct {
			value string
			err   error
		}{{"", errors.New("locked")}, {"", nil}, {"CANARY\nx", nil}} {
			before := m.count()
			m.set(bad.value, bad.err)
			wantSent(t, s, "source_failed")
			wantSent(t, s, "source_failed")
			if got := m.count() - before; got != 1 {
				t.Errorf("%q: asked %d times", bad.value, got)
			}
			time.Sleep(11 * time.Second)
		}
		m.set("CANARY-two", nil)
		wantSent(t, s, "Bearer CANARY-two")
		w.noCanary(t)
	})
}

// TestSourceSlow: a command that hangs ends after 30 seconds, and many
// requests wait for one.
func TestSourceSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &manager{value: "CANARY-one"}
		w := newSourceWorld(t, m)
		m.slow = 20 * time.Second
		s := w.session(broker.Selection{})
		var group sync.WaitGroup
		for range 50 {
			group.Go(func() { wantSent(t, s, "Bearer CANARY-one") })
		}
		group.Wait()
		time.Sleep(2 * time.Minute)
		m.mu.Lock()
		m.slow = time.Hour
		m.mu.Unlock()
		start := time.Now()
		wantSent(t, s, "source_failed")
		if waited := time.Since(start); waited != 30*time.Second {
			t.Errorf("waited %v", waited)
		}
		if got := m.count(); got != 3 {
			t.Errorf("asked %d times", got)
		}
	})
}

// TestSourceRejected: after a 401 the value is fetched anew, once a minute at
// most, and the request is sent again only with another one.
func TestSourceRejected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &manager{value: "CANARY-one"}
		w := newSourceWorld(t, m)
		s := w.session(broker.Selection{})
		use := wantSent(t, s, "Bearer CANARY-one")
		if !use.Renewable() {
			t.Error("not renewable")
		}
		m.set("CANARY-two", nil)
		r := get("https://alpha.test.example/")
		again, ok := s.Renew(r, use)
		if !ok || r.Header.Get("Authorization") != "Bearer CANARY-two" {
			t.Fatal(ok, r.Header)
		}
		if _, ok := s.Renew(get("https://alpha.test.example/"), use); !ok || m.count() != 3 { // a late answer to the first value
			t.Error(ok, m.count())
		}
		m.set("CANARY-three", nil)
		if s.Rejected(t.Context(), again) || m.count() != 3 {
			t.Error("asked twice within a minute", m.count())
		}
		time.Sleep(time.Minute)
		use = wantSent(t, s, "Bearer CANARY-three")
		if s.Rejected(t.Context(), use) || m.count() != 5 {
			t.Error("sent again with the value that was refused", m.count())
		}
	})
}

// TestSourceAudit: a fetch that can't be written down does not happen.
func TestSourceAudit(t *testing.T) {
	m := &manager{value: "CANARY-one"}
	w := newSourceWorld(t, m)
	s := w.session(broker.Selection{})
	before := m.count()
	if err := os.Rename(w.log(), w.log()+".moved"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(w.log(), 0o700); err != nil {
		t.Fatal(err)
	}
	if wantSent(t, s, "audit_unavailable"); m.count() != before {
		t.Error("it was fetched")
	}
}

// noCanary looks into the audit log and the sealed record.
func (w *world) noCanary(t *testing.T) {
	t.Helper()
	data, err := os.ReadFile(w.log())
	if err != nil || strings.Contains(string(data), "CANARY") {
		t.Error(err, "a value is in the audit log")
	}
	c, err := w.open().Connection(t.Context(), "alpha", "default")
	if err != nil || len(c.Credential.Fields) != 0 {
		t.Error("the record holds values", err)
	}
}

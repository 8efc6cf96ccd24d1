package broker_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"authsome/internal/broker"
	"authsome/internal/credential"
	"authsome/internal/login"
	"authsome/internal/oauth/oauthtest"
	"authsome/internal/secret"
	"authsome/internal/vault"
)

const authServer = "https://auth.test.example"

// oauthDefinition is provider alpha with an authorization server.
const oauthDefinition = `{"name":"alpha","display_name":"Alpha","auth_type":"oauth2","flow":"pkce","host_url":"alpha.test.example",
	"oauth":{"authorization_url":"https://auth.test.example/authorize","token_url":"https://auth.test.example/token",
		"revocation_url":"https://auth.test.example/revoke","client_id":"app","scopes":["read"]},
	"inject":[{"kind":"header","name":"Authorization","value":"Bearer {access_token}"}],
	"export":{"env":{"access_token":"ALPHA_TOKEN"}}}`

// oauthWorld is a home folder with provider alpha, and alpha's authorization
// server.
type oauthWorld struct {
	*world
	server *oauthtest.Server
}

func newOAuthWorld(t *testing.T) *oauthWorld {
	w := &oauthWorld{newWorld(t), oauthtest.New(authServer)}
	w.network = login.NewNetwork(w.server.Transport(), nil)
	if _, err := w.open().Register([]byte(oauthDefinition), true); err != nil {
		t.Fatal(err)
	}
	return w
}

// seed keeps a connection of a grant of the server's, logged in for an hour,
// whose access token has so long to live; 0 means that this is not known.
func (w *oauthWorld) seed(ttl time.Duration) broker.Connection {
	w.t.Helper()
	access, refresh := w.server.Grant("app", "read")
	c := connection(access, refresh)
	if ttl != 0 {
		c.Credential.Expiry = time.Now().Add(ttl)
	}
	if err := w.open().Seed(w.t.Context(), c); err != nil {
		w.t.Fatal(err)
	}
	return c
}

func connection(access, refresh string) broker.Connection {
	c := broker.Connection{
		Provider: "alpha", Name: "default", AuthType: "oauth2", Flow: "pkce", Hosts: []string{"alpha.test.example"},
		Endpoints:  []string{authServer + oauthtest.Token, authServer + oauthtest.Revoke},
		ObtainedAt: time.Now().Add(-time.Hour),
		Credential: credential.Credential{Fields: map[string]secret.Text{credential.AccessToken: secret.New(access)}, Scopes: []string{"read"}},
	}
	if refresh != "" {
		c.Credential.Fields[credential.RefreshToken] = secret.New(refresh)
	}
	return c
}

func (w *oauthWorld) stored() broker.Connection {
	w.t.Helper()
	c, err := w.open().Connection(w.t.Context(), "alpha", "default")
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// attempts is how many refreshes the server has seen.
func (w *oauthWorld) attempts() int { return len(w.server.Requests(oauthtest.Token)) }

func (w *oauthWorld) wantAttempts(n int) {
	w.t.Helper()
	if got := w.attempts(); got != n {
		w.t.Fatalf("%d token requests, want %d", got, n)
	}
}

// wantAlive fails unless the stored grant can go on.
func (w *oauthWorld) wantAlive() {
	w.t.Helper()
	c := w.stored()
	if !w.server.Refreshable(c.Credential.Field(credential.RefreshToken).Reveal()) || !w.server.Active(token(c)) {
		w.t.Fatal("the grant is lost")
	}
}

func token(c broker.Connection) string { return c.Credential.Field(credential.AccessToken).Reveal() }

// send authorizes one request and returns the token on it.
func send(s *broker.Session) (string, broker.Use, error) {
	r := get("https://alpha.test.example/x")
	use, err := s.Authorize(r)
	return strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), use, err
}

func denial(err error) broker.Denied {
	var d *broker.Denied
	if !errors.As(err, &d) {
		return broker.Denied{}
	}
	return *d
}

// sendAll sends n requests at once; all must carry the same good token.
func sendAll(t *testing.T, s *broker.Session, n int, active func(string) bool) {
	t.Helper()
	var wg sync.WaitGroup
	errs := make(chan error, n)
	for range n {
		wg.Go(func() {
			value, _, err := send(s)
			if err == nil && !active(value) {
				err = errors.New("a token that is not good")
			}
			errs <- err
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestRefresh(t *testing.T) {
	t.Run("I8 once for a thousand", func(t *testing.T) {
		w := newOAuthWorld(t)
		w.seed(-time.Minute)
		sendAll(t, w.session(broker.Selection{}), 1000, w.server.Active)
		w.wantAttempts(1)
		w.wantAlive()
	})
	t.Run("far from expiry nothing happens", func(t *testing.T) {
		w := newOAuthWorld(t)
		c := w.seed(6 * time.Minute)
		if value, _, err := send(w.session(broker.Selection{})); err != nil || value != token(c) {
			t.Fatal(err)
		}
		w.wantAttempts(0)
	})
	t.Run("near expiry nobody waits", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newOAuthWorld(t)
			w.server.Script(oauthtest.Token, oauthtest.Slow(5*time.Second))
			c := w.seed(4 * time.Minute)
			session, start := w.session(broker.Selection{}), time.Now()
			for range 10 {
				if value, _, err := send(session); err != nil || value != token(c) {
					t.Fatal(err)
				}
			}
			if waited := time.Since(start); waited > 0 {
				t.Fatalf("waited %v", waited)
			}
			time.Sleep(6 * time.Second)
			if value, _, err := send(session); err != nil || value == token(c) || !w.server.Active(value) {
				t.Fatalf("the renewed token is not used: %v", err)
			}
			w.wantAttempts(1)
		})
	})
	t.Run("export prefers a fresh one", func(t *testing.T) {
		w := newOAuthWorld(t)
		old := w.seed(4 * time.Minute)
		variables, err := w.open().Export(t.Context(), "alpha", "")
		if err != nil || len(variables) != 1 || variables[0].Value.Reveal() == token(old) || variables[0].Value.Reveal() != token(w.stored()) {
			t.Fatalf("got %v, %v", variables, err)
		}
		w.server.Script(oauthtest.Token, oauthtest.Broken)
		old = w.seed(4 * time.Minute)
		variables, err = w.open().Export(t.Context(), "alpha", "")
		if err != nil || variables[0].Value.Reveal() != token(old) {
			t.Fatalf("the old one is good still: %v", err)
		}
	})
	t.Run("no refresh token", func(t *testing.T) {
		w := newOAuthWorld(t)
		c := connection("access-CANARY", "")
		c.Credential.Expiry = time.Now().Add(-time.Minute)
		if err := w.open().Seed(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		_, _, err := send(w.session(broker.Selection{}))
		if d := denial(err); d.Code != broker.CodeExpired || d.Hint != "authsome login alpha --force" {
			t.Fatalf("got %+v", d)
		}
		if c := w.stored(); c.Status(time.Now()) != broker.Expired || !c.ExpiredSince().Equal(c.Credential.Expiry) {
			t.Fatal("not expired")
		}
		w.wantAttempts(0)
	})
	t.Run("a token of the user's own", func(t *testing.T) {
		w := newOAuthWorld(t)
		c := connection("access-CANARY", "refresh-CANARY")
		c.Flow = "api_key"
		if err := w.open().Seed(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		session := w.session(broker.Selection{})
		_, use, err := send(session)
		if err != nil || session.Rejected(t.Context(), use) {
			t.Fatal(err)
		}
		if _, err := w.open().Logout(t.Context(), "alpha", ""); err != nil {
			t.Fatal(err)
		}
		if n := len(w.server.Requests("")); n != 0 {
			t.Fatalf("%d requests", n)
		}
	})
	t.Run("the token endpoint has moved", func(t *testing.T) {
		w := newOAuthWorld(t)
		w.seed(-time.Minute)
		moved := strings.ReplaceAll(oauthDefinition, authServer+"/token", "https://evil.test.example/token")
		if _, err := w.open().Register([]byte(moved), true); err != nil {
			t.Fatal(err)
		}
		_, _, err := send(w.session(broker.Selection{}))
		if d := denial(err); d.Code != broker.CodeChanged {
			t.Fatalf("D002: got %+v", d)
		}
		w.wantAttempts(0)
	})
}

// TestRefresh_O024: what the answer leaves out.
func TestRefresh_O024(t *testing.T) {
	for name, test := range map[string]struct {
		drop    []string
		rotated bool
		expires bool
	}{
		"whole":                {nil, true, true},
		"no refresh_token":     {[]string{"refresh_token"}, false, true},
		"no expires_in":        {[]string{"expires_in"}, true, false},
		"neither":              {[]string{"expires_in", "refresh_token"}, false, false},
		"no scope, as granted": {[]string{"scope"}, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newOAuthWorld(t)
			w.server.Rotate = test.rotated
			w.server.Script(oauthtest.Token, oauthtest.Drop(test.drop...))
			old := w.seed(-time.Minute)
			value, _, err := send(w.session(broker.Selection{}))
			c := w.stored()
			refresh, before := c.Credential.Field(credential.RefreshToken), old.Credential.Field(credential.RefreshToken)
			if err != nil || value == token(old) || value != token(c) || refresh.IsZero() || refresh.Equal(before) == test.rotated {
				t.Fatalf("got %+v, %v", c, err)
			}
			if c.Credential.Expiry.IsZero() == test.expires || len(c.Credential.Scopes) != 1 || !c.ObtainedAt.Equal(old.ObtainedAt) {
				t.Fatalf("got %+v", c)
			}
			w.wantAlive()
		})
	}
}

// TestRefresh_O026: granted scopes are kept as granted.
func TestRefresh_O026(t *testing.T) {
	w := newOAuthWorld(t)
	w.server.Script(oauthtest.Token, oauthtest.Set("scope", "read extra"))
	w.seed(-time.Minute)
	sendAll(t, w.session(broker.Selection{}), 1, w.server.Active)
	if got := strings.Join(w.stored().Credential.Scopes, ","); got != "read,extra" {
		t.Fatalf("got %s", got)
	}
}

// TestRefresh_O022: a grant that is gone is asked for once, and the user is
// told what to do.
func TestRefresh_O022(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newOAuthWorld(t)
		w.server.Script(oauthtest.Token, oauthtest.Refuse(400, "invalid_grant", "revoked"))
		w.seed(-time.Minute)
		session, since := w.session(broker.Selection{}), time.Now()
		for range 300 {
			_, _, err := send(session)
			if d := denial(err); d.Code != broker.CodeLogin || d.Hint != "authsome login alpha" {
				t.Fatalf("got %+v", d)
			}
			time.Sleep(2 * time.Second)
		}
		w.wantAttempts(1)
		c := w.stored()
		if c.Status(time.Now()) != broker.Expired || !c.ExpiredSince().Equal(since) {
			t.Fatalf("got %s since %v", c.Status(time.Now()), c.ExpiredSince())
		}
		if _, err := w.open().Export(t.Context(), "", ""); denial(err).Code != broker.CodeLogin {
			t.Fatalf("export: %v", err)
		}
		w.wantAttempts(1)
		w.seed(time.Hour)
		time.Sleep(time.Second)
		sendAll(t, session, 1, w.server.Active)
	})
}

// TestRefresh_O023: the token endpoint is down for ten minutes.
func TestRefresh_O023(t *testing.T) {
	for name, step := range map[string]oauthtest.Step{
		"error":    oauthtest.Respond(http.StatusInternalServerError, "text/plain", "down"),
		"broken":   oauthtest.Broken,
		"hanging":  oauthtest.Slow(time.Hour),
		"too many": oauthtest.Refuse(http.StatusTooManyRequests, "slow_down", ""),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { tokenEndpointDown(t, step) })
		})
	}
}

func tokenEndpointDown(t *testing.T, step oauthtest.Step) {
	w := newOAuthWorld(t)
	var down atomic.Bool
	down.Store(true)
	for range 100 {
		w.server.Script(oauthtest.Token, during(&down, step))
	}
	old := w.seed(290 * time.Second)
	session, start := w.session(broker.Selection{}), time.Now()
	for time.Since(start) < 10*time.Minute {
		before := time.Now()
		value, _, err := send(session)
		waited := time.Since(before)
		if before.Before(old.Credential.Expiry) {
			if err != nil || value != token(old) || waited > 0 {
				t.Fatalf("after %v: waited %v, %v", time.Since(start), waited, err)
			}
		} else if d := denial(err); d.Code != broker.CodeRefresh || waited > 30*time.Second || strings.Contains(d.Reason, "the last attempt") {
			t.Fatalf("after %v: waited %v, got %+v", time.Since(start), waited, d)
		}
		time.Sleep(time.Second)
	}
	requests := w.server.Requests(oauthtest.Token)
	for i := 1; i < len(requests); i++ {
		if gap := requests[i].At.Sub(requests[i-1].At); gap < time.Minute {
			t.Errorf("attempts %v apart", gap)
		}
	}
	if len(requests) < 5 || len(requests) > 10 {
		t.Errorf("%d attempts", len(requests))
	}
	if c := w.stored(); c.Status(time.Now()) != broker.Connected {
		t.Error("a network fault has ended the connection")
	}
	// Another process keeps to the back-off too.
	if _, err := w.open().Export(t.Context(), "alpha", ""); denial(err).Code != broker.CodeRefresh {
		t.Errorf("got %v", err)
	}
	w.wantAttempts(len(requests))
	down.Store(false)
	time.Sleep(70 * time.Second)
	sendAll(t, session, 20, w.server.Active)
	w.wantAlive()
}

// during is a step while down is set, and the server's own behaviour then.
func during(down *atomic.Bool, step oauthtest.Step) oauthtest.Step {
	return func(next http.Handler) http.Handler {
		if down.Load() {
			return step(next)
		}
		return next
	}
}

// TestRefresh_short: a token that lives for less than the usual margin is
// renewed at half of its life, not all the time.
func TestRefresh_short(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newOAuthWorld(t)
		w.server.TTL = 100 * time.Second
		w.seed(-time.Minute)
		session := w.session(broker.Selection{})
		for range 600 {
			sendAll(t, session, 1, w.server.Active)
			time.Sleep(time.Second)
		}
		if n := w.attempts(); n < 10 || n > 14 {
			t.Fatalf("%d attempts in ten minutes", n)
		}
		w.wantAlive()
	})
}

// TestRefreshWaitsNoLonger: a caller's patience ends with its context, and the
// refresh goes on for the others.
func TestRefreshWaitsNoLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newOAuthWorld(t)
		w.server.Script(oauthtest.Token, oauthtest.Slow(20*time.Second))
		w.seed(-time.Minute)
		session, start := w.session(broker.Selection{}), time.Now()
		r := get("https://alpha.test.example/")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := session.Authorize(r.WithContext(ctx)); denial(err).Code != broker.CodeRefresh || time.Since(start) != time.Second {
			t.Fatalf("after %v: %v", time.Since(start), err)
		}
		sendAll(t, session, 10, w.server.Active)
		w.wantAttempts(1)
		w.wantAlive()
	})
}

// TestCloseEndsRefresh: nothing is left running, and Close does not wait for
// ever.
func TestCloseEndsRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newOAuthWorld(t)
		w.server.Script(oauthtest.Token, oauthtest.Slow(time.Hour))
		c := w.seed(4 * time.Minute)
		b := w.open()
		if _, err := b.Fresh(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if err := b.Close(); err != nil || time.Since(start) > 11*time.Second {
			t.Fatalf("after %v: %v", time.Since(start), err)
		}
		c.Credential.Expiry = time.Now().Add(-time.Second)
		if _, err := b.Fresh(t.Context(), c); denial(err).Code != broker.CodeRefresh {
			t.Fatalf("got %v", err)
		}
	})
}

// failing is a store whose next Put of a record refuses after some good ones.
type failing struct {
	vault.Store
	mu   sync.Mutex
	fail bool
}

var errDisk = errors.New("disk is gone")

func (f *failing) Put(ctx context.Context, name string, blob []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail {
		return errDisk
	}
	return f.Store.Put(ctx, name, blob)
}

func (f *failing) set(fail bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = fail
}

// TestRefreshNotCommitted: tokens that could not be written are not used, and
// not lost while the process lives.
func TestRefreshNotCommitted(t *testing.T) {
	w := newOAuthWorld(t)
	store := &failing{Store: vault.NewMemory()}
	w.store = store
	w.server.Script(oauthtest.Token, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(rw, r)
			store.set(true)
		})
	})
	w.seed(-time.Minute)
	session := w.session(broker.Selection{})
	if _, _, err := send(session); denial(err).Code != broker.CodeVault {
		t.Fatalf("got %v", err)
	}
	store.set(false)
	sendAll(t, session, 10, w.server.Active)
	w.wantAttempts(1)
	w.wantAlive()
}

// TestRefreshUnwritten is I9: no line, no attempt.
func TestRefreshUnwritten(t *testing.T) {
	w := newOAuthWorld(t)
	c := w.seed(-time.Minute)
	if err := os.Remove(w.log()); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(w.log(), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := w.open().Fresh(t.Context(), c); denial(err).Code != broker.CodeAudit {
		t.Fatalf("I9: got %v", err)
	}
	w.wantAttempts(0)
}

func (w *world) auditLines() string {
	w.t.Helper()
	data, err := os.ReadFile(w.log())
	if err != nil {
		w.t.Fatal(err)
	}
	return string(data)
}

// TestRefreshLeaksNothing: an attempt is written down, without a secret.
func TestRefreshLeaksNothing(t *testing.T) {
	w := newOAuthWorld(t)
	w.server.Script(oauthtest.Token, oauthtest.Normal, oauthtest.Refuse(400, "invalid_grant", "x"))
	c := w.seed(-time.Minute)
	session := w.session(broker.Selection{})
	if _, _, err := send(session); err != nil {
		t.Fatal(err)
	}
	c = w.stored()
	c.Credential.Expiry = time.Now().Add(-time.Second)
	if err := w.open().Seed(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	_, err := w.open().Fresh(t.Context(), c)
	if denial(err).Code != broker.CodeLogin {
		t.Fatalf("got %v", err)
	}
	lines := w.auditLines()
	if !strings.Contains(lines, `"event":"refresh"`) || !strings.Contains(lines, "login_needed") {
		t.Errorf("not written down:\n%s", lines)
	}
	for _, text := range []string{lines, err.Error(), fmt.Sprintf("%+v", c)} {
		if strings.Contains(text, oauthtest.Canary) {
			t.Errorf("a secret in %s", text)
		}
	}
}

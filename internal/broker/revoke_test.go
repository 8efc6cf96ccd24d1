package broker_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"authsome/internal/broker"
	"authsome/internal/credential"
	"authsome/internal/oauth/oauthtest"
)

// TestLogoutWins: a logout during a refresh leaves nothing, here or there.
func TestLogoutWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newOAuthWorld(t)
		w.server.Script(oauthtest.Token, oauthtest.Slow(5*time.Second))
		c := w.seed(-time.Minute)
		b := w.open()
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = b.Fresh(t.Context(), c) })
		time.Sleep(time.Second)
		gone, err := w.open().Logout(t.Context(), "alpha", "")
		wg.Wait()
		if err != nil || token(gone) == token(c) {
			t.Fatalf("got %v", err)
		}
		if w.server.Active(token(gone)) || w.server.Refreshable(gone.Credential.Field(credential.RefreshToken).Reveal()) {
			t.Error("the renewed tokens are good still")
		}
		if _, err := b.Fresh(t.Context(), c); denial(err).Code != broker.CodeNotConnected {
			t.Errorf("got %v", err)
		}
		if all, err := b.Connections(t.Context()); err != nil || len(all) != 0 {
			t.Errorf("it is back: %v, %v", all, err)
		}
		w.wantAttempts(1)
	})
}

// TestLogout_O029: refresh token first; a server that is down keeps nothing.
func TestLogout_O029(t *testing.T) {
	w := newOAuthWorld(t)
	c := w.seed(time.Hour)
	if _, err := w.open().Logout(t.Context(), "alpha", ""); err != nil {
		t.Fatal(err)
	}
	var sent []string
	for _, r := range w.server.Requests(oauthtest.Revoke) {
		sent = append(sent, r.Form().Get("token"))
	}
	if len(sent) != 2 || sent[0] != c.Credential.Field(credential.RefreshToken).Reveal() || sent[1] != token(c) {
		t.Errorf("revoked %d", len(sent))
	}
	for range 20 {
		w.server.Script(oauthtest.Revoke, oauthtest.Broken)
	}
	for name, forget := range map[string]func(*broker.Broker) error{
		"logout": func(b *broker.Broker) error { _, err := b.Logout(t.Context(), "alpha", "default"); return err },
		"revoke": func(b *broker.Broker) error { _, err := b.Revoke(t.Context(), "alpha"); return err },
		"remove": func(b *broker.Broker) error { _, err := b.Remove(t.Context(), "alpha"); return err },
	} {
		if _, err := w.open().Register([]byte(oauthDefinition), true); err != nil {
			t.Fatal(err)
		}
		w.seed(time.Hour)
		err := forget(w.open())
		var remote *broker.RemoteError
		if !errors.As(err, &remote) || strings.Contains(err.Error(), oauthtest.Canary) {
			t.Errorf("%s: got %v", name, err)
		}
		if all, err := w.open().Connections(t.Context()); err != nil || len(all) != 0 {
			t.Errorf("%s: still there: %v", name, err)
		}
	}
	requests := len(w.server.Requests(oauthtest.Revoke))
	if _, err := w.open().Register([]byte(oauthDefinition), true); err != nil {
		t.Fatal(err)
	}
	w.seed(time.Hour)
	if _, err := w.open().Forget(t.Context(), "alpha", ""); err != nil || len(w.server.Requests(oauthtest.Revoke)) != requests {
		t.Errorf("--local: %v", err)
	}
}

package broker_test

import (
	"sync"
	"testing"
	"time"

	"authsome/internal/broker"
	"authsome/internal/oauth/oauthtest"
)

// TestRejected_O025: an early 401, as after a jump of a clock, and a token of
// unknown life.
func TestRejected_O025(t *testing.T) {
	for name, ttl := range map[string]time.Duration{"no expires_in": 0, "the clock says a day more": 24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			w := newOAuthWorld(t)
			old := w.seed(ttl)
			session := w.session(broker.Selection{})
			_, use, err := send(session)
			if err != nil || use.Connection != "default" {
				t.Fatal(err)
			}
			var wg sync.WaitGroup
			for range 50 {
				wg.Go(func() {
					if !session.Rejected(t.Context(), use) {
						t.Error("no replay")
					}
				})
			}
			wg.Wait()
			w.wantAttempts(1)
			value, second, err := send(session)
			if err != nil || value == token(old) || !w.server.Active(value) {
				t.Fatal(err)
			}
			if session.Rejected(t.Context(), second) {
				t.Error("an API that refuses a brand new token gets another one")
			}
			if !session.Rejected(t.Context(), use) {
				t.Error("a late 401 of the old token is worth a replay")
			}
			if session.Rejected(t.Context(), broker.Use{}) {
				t.Error("an unchanged request")
			}
			w.wantAttempts(1)
			w.wantAlive()
		})
	}
	t.Run("renewed elsewhere", func(t *testing.T) {
		w := newOAuthWorld(t)
		w.seed(0)
		one, two := w.session(broker.Selection{}), w.session(broker.Selection{})
		_, use1, _ := send(one)
		_, use2, _ := send(two)
		if !one.Rejected(t.Context(), use1) || !two.Rejected(t.Context(), use2) {
			t.Fatal("no replay")
		}
		w.wantAttempts(1)
		sendAll(t, two, 1, w.server.Active)
	})
	t.Run("the grant is gone", func(t *testing.T) {
		w := newOAuthWorld(t)
		w.server.Script(oauthtest.Token, oauthtest.Refuse(400, "invalid_grant", ""))
		w.seed(0)
		session := w.session(broker.Selection{})
		_, use, _ := send(session)
		for range 2 {
			if session.Rejected(t.Context(), use) {
				t.Fatal("replay without a credential")
			}
		}
		if _, _, err := send(session); denial(err).Code != broker.CodeLogin {
			t.Fatalf("got %v", err)
		}
		w.wantAttempts(1)
	})
}

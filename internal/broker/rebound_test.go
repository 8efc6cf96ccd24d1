package broker_test

import (
	"testing"
	"testing/synctest"
	"time"

	"authsome/internal/broker"
)

const selfHosted = `{"name":"alpha","display_name":"Alpha","auth_type":"oauth2","flow":"pkce","host_url":"{base_url}",
	"oauth":{"base_url":"https://ghe1.test.example","authorization_url":"https://auth.test.example/authorize","token_url":"https://auth.test.example/token",
		"revocation_url":"https://auth.test.example/revoke","client_id":"app","scopes":["read"]},
	"inject":[{"kind":"header","name":"Authorization","value":"Bearer {access_token}"}],
	"export":{"env":{"access_token":"ALPHA_TOKEN"}}}`

// TestReboundWhileRefreshing is I1: a login for another installation that
// comes between the choice of a connection and its use must not have its token
// sent to the first one.
func TestReboundWhileRefreshing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newOAuthWorld(t)
		if _, err := w.open().Register([]byte(selfHosted), true); err != nil {
			t.Fatal(err)
		}
		first := connection("CANARY-first", "r1")
		first.BaseURL, first.Hosts = "", []string{"ghe1.test.example"}
		first.Credential.Expiry = time.Now().Add(-time.Second)
		if err := w.open().Seed(t.Context(), first); err != nil {
			t.Fatal(err)
		}
		session := w.session(broker.Selection{})
		second := connection("CANARY-second", "r2")
		second.BaseURL, second.Hosts = "https://ghe2.test.example", []string{"ghe2.test.example"}
		second.ObtainedAt, second.Credential.Expiry = time.Now(), time.Now().Add(time.Hour)
		if err := w.open().Seed(t.Context(), second); err != nil {
			t.Fatal(err)
		}
		if got := authorize(session, get("https://ghe1.test.example/x")); got.Denied != broker.CodeChanged {
			t.Fatalf("got %+v", got)
		}
	})
}

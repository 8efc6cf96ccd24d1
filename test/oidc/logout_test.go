//go:build linux

package oidc_test

import (
	"encoding/json"
	"testing"

	"authsome/test/lab"
)

// TestLogout_O029: what the server thinks of the tokens afterwards, and what
// the exit code says of it. Here they are forgotten in any case.
func TestLogout_O029(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args  []string
		down  bool
		code  int
		alive bool
	}{
		"logout":      {[]string{"logout", "example"}, false, 0, false},
		"revoke":      {[]string{"revoke", "example"}, false, 0, false},
		"local":       {[]string{"logout", "example", "--local"}, false, 0, true},
		"server_down": {[]string{"logout", "example", "--json"}, true, exitOther, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.login(t)
			access, refresh := w.server.last(t, w.client.id, "AccessToken"), w.server.last(t, w.client.id, "RefreshToken")
			w.server.alive(t, "the access token", access, true)
			w.server.alive(t, "the refresh token", refresh, true)
			if c.down {
				w.Route("auth.example.test", lab.Refuse)
			}
			r := w.do(t, c.args...)
			if r.code != c.code {
				t.Errorf("want exit %d: %s", c.code, r)
			}
			equal(t, "status", w.status(t, "example"), "")
			token, exported := w.token(t, "example")
			equal(t, "a token that is left", token, "")
			equal(t, "export", exported.code, exitNotConnected)
			w.server.alive(t, "the access token", access, c.alive)
			w.server.alive(t, "the refresh token", refresh, c.alive)
			want := map[bool]string{true: "", false: "invalid_grant"}[c.alive]
			equal(t, "a refresh behind its back", w.server.refresh(t, w.client.id, refresh), want)
			if c.down {
				var document map[string]any
				if err := json.Unmarshal([]byte(r.stdout), &document); err != nil || document["not_revoked"] == nil {
					t.Errorf("the document: %v: %s", err, r.stdout)
				}
			}
			w.guard(t, w.client.id, "AccessToken", "RefreshToken")
			w.quiet(t, r)
			w.Search(t, w.Dir())
		})
	}
}

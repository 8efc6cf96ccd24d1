package broker_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"authsome/internal/broker"
	"authsome/internal/inject"
)

// TestPlaceholders: a child's variables hold the placeholder, in the shape that
// the definition has for tools that look at it, and every shape is understood.
func TestPlaceholders(t *testing.T) {
	w := newWorld(t)
	w.define("alpha", `"alpha.test.example"`, bearer)
	shaped := `{"name":"shaped","display_name":"S","auth_type":"api_key","flow":"api_key","host_url":"shaped.test.example",
		"export":{"env":{"api_key":["ALPHA_KEY","SHAPED_KEY"]},"placeholder":"sh_authsome-proxy-managed"}}`
	if _, err := w.open().Register([]byte(shaped), true); err != nil {
		t.Fatal(err)
	}
	w.login("alpha", "", "key")
	w.login("shaped", "", "shaped-key")
	w.login("shaped", "work", "work-key")
	session := w.session(broker.Selection{Placeholder: true})
	want := map[string]string{"ALPHA_KEY": "sh_authsome-proxy-managed", "SHAPED_KEY": "sh_authsome-proxy-managed", "MORE": "sh_authsome-proxy-managed", "OTHER": inject.Placeholder}
	got := session.Placeholders(map[string][]string{"shaped": {"MORE"}, "alpha": {"OTHER"}, "nobody": {"NONE"}})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for sent, key := range map[string]string{"sh_authsome-proxy-managed": "shaped-key", "sh_authsome-proxy-managed:work": "work-key", inject.Placeholder: "shaped-key"} {
		got := authorize(session, get("https://shaped.test.example/", "Authorization", "Bearer "+sent))
		if got.Header.Get("Authorization") != "Bearer "+key {
			t.Errorf("%s: %+v", sent, got)
		}
	}
}

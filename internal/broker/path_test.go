package broker_test

import (
	"os"
	"strings"
	"testing"

	"authsome/internal/broker"
)

const inPath = `{"kind":"path","value":"bot{api_key}"}`

// TestPathSecret is R063: the audit log has the path as the client sent it,
// also of a request that is refused after the secret was put into it.
func TestPathSecret(t *testing.T) {
	const key = "CANARY-no-base64-at-all"
	for name, tc := range map[string]struct {
		inject, path string
		denied       broker.Code
	}{
		"used":    {inPath, "/bot" + key + "/send", ""},
		"refused": {inPath + `,{"kind":"hmac","name":"X-Sign","sign":{"algorithm":"sha256","key_encoding":"base64","message":"{method}","encoding":"hex"}}`, "/botauthsome-proxy-managed/send", broker.CodeUnusable},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.define("acme", `"api.acme.test"`, tc.inject)
			w.login("acme", "", key)
			r := get("https://api.acme.test/botauthsome-proxy-managed/send")
			got := authorize(w.session(broker.Selection{}), r)
			if got.Denied != tc.denied || r.URL.EscapedPath() != tc.path {
				t.Errorf("denied %q, path %q", got.Denied, r.URL.EscapedPath())
			}
			log, err := os.ReadFile(w.log())
			if err != nil || strings.Contains(string(log), "CANARY") || !strings.Contains(string(log), "/botauthsome-proxy-managed/send") {
				t.Errorf("the audit log (%v): %s", err, log)
			}
		})
	}
}

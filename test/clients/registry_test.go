//go:build linux

package clients_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"testing"
)

// TestRegistry_ghcr: the registry's token is the secret in base64. The client
// gets and shows something else, the registry the token.
func TestRegistry_ghcr(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	secret := w.CanaryAs("ghcr", "ghp_%s")
	encoded := base64.StdEncoding.EncodeToString([]byte(secret))
	w.login(t, "ghcr", secret)
	w.Handle("ghcr.io/token", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if _, password, _ := r.BasicAuth(); password == secret {
			_, _ = fmt.Fprintf(rw, `{"token":%q}`, encoded)
		}
	}))
	w.Handle("ghcr.io/v2/", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+encoded {
			rw.Header().Set("WWW-Authenticate", `Bearer realm="https://ghcr.io/token",service="ghcr.io"`)
			rw.WriteHeader(http.StatusUnauthorized)
		}
	}))
	const client = `token=$(curl -sS "https://ghcr.io/token?service=ghcr.io&scope=repository:acme/cheese:pull" | sed 's/.*:"\(.*\)"}/\1/')
		echo "$token"; curl -sS -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $token" https://ghcr.io/v2/acme/cheese/manifests/1`
	r := w.ok(t, "run", "--", "sh", "-c", client)
	w.SearchBytes(t, "what the client saw", []byte(r.stdout))
	contains(t, "answer", r.stdout, "\n200")
	equal(t, "requests", len(w.requests("ghcr.io")), 2)
}

package proxy

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

// TestReplay is R062: after a 401 a request that can be sent again is sent
// once more, to the same place, with the credential that Renew put on it.
func TestReplay(t *testing.T) {
	var renewed atomic.Int32
	var done []string
	stale := func(r *http.Request, token string) Grant {
		r.Header.Set("Authorization", "Bearer "+token)
		return Grant{Pool: token, Done: func(status int, err error) { done = append(done, fmt.Sprint(token, status, err)) }}
	}
	l := newLab(t, func(_ *lab, p *Proxy) {
		p.Authorize = func(_ context.Context, r *http.Request) (Grant, error) {
			grant := stale(r, "old")
			grant.Renew = func(_ context.Context, r *http.Request) (Grant, bool) {
				renewed.Add(1)
				r.URL.Host, r.Host = "evil.test", "evil.test"
				return stale(r, "new"), r.URL.Path != "/hopeless"
			}
			return grant, nil
		}
	})
	alpha := l.serve("alpha.test:443", false, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Header.Get("Authorization") != "Bearer new" || r.URL.Path == "/never" {
			w.WriteHeader(http.StatusUnauthorized)
		}
		fmt.Fprintf(w, "%s %s %d", r.Host, r.Header.Get("Authorization"), len(body))
	})
	chunked := func(n int) string {
		return fmt.Sprintf("POST /x HTTP/1.1\nHost: alpha.test\nTransfer-Encoding: chunked\n\n%x\n%s\n0\n\n", n, strings.Repeat("a", n))
	}
	fixed := func(n int) string {
		return fmt.Sprintf("POST /x HTTP/1.1\nHost: alpha.test\nContent-Length: %d\n\n%s", n, strings.Repeat("a", n))
	}
	tests := []struct {
		name, request string
		status        int
		body          string
		renewed       int32
		requests      int
	}{
		{"GET", "GET /x HTTP/1.1\nHost: alpha.test\n\n", 200, "alpha.test Bearer new 0", 1, 2},
		{"POST", fixed(5), 200, "alpha.test Bearer new 5", 1, 2},
		{"POST_streamed", chunked(5), 200, "alpha.test Bearer new 5", 1, 2},
		{"POST_at_the_limit", fixed(maxKept), 200, fmt.Sprintf("alpha.test Bearer new %d", maxKept), 1, 2},
		{"POST_too_long", fixed(maxKept + 1), 401, fmt.Sprintf("alpha.test Bearer old %d", maxKept+1), 0, 1},
		{"POST_streamed_too_long", chunked(maxKept + 1), 401, fmt.Sprintf("alpha.test Bearer old %d", maxKept+1), 0, 1},
		{"once", "GET /never HTTP/1.1\nHost: alpha.test\n\n", 401, "alpha.test Bearer new 0", 1, 2},
		{"not_renewed", "GET /hopeless HTTP/1.1\nHost: alpha.test\n\n", 401, "alpha.test Bearer old 0", 1, 1},
	}
	for _, test := range tests {
		t.Run("R062_"+test.name, func(t *testing.T) {
			before := len(alpha.seen())
			renewed.Store(0)
			done = nil
			c := l.tunnel("alpha.test")
			c.say(test.request)
			a := c.answer("GET")
			if a.StatusCode != test.status || a.body != test.body {
				t.Errorf("got %d %q", a.StatusCode, a.body)
			}
			if got := renewed.Load(); got != test.renewed {
				t.Errorf("renewed %d times", got)
			}
			if got := len(alpha.seen()) - before; got != test.requests || len(done) != test.requests {
				t.Errorf("%d requests, done %v", got, done)
			}
		})
	}
}

package oauthtest_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"authsome/internal/oauth/oauthtest"
)

// refresh trades a refresh token and returns the status and the answer.
func refresh(t *testing.T, s *oauthtest.Server, token string) (int, map[string]any) {
	t.Helper()
	form := url.Values{"grant_type": {"refresh_token"}, "client_id": {"app"}, "refresh_token": {token}}
	req, err := http.NewRequestWithContext(t.Context(), "POST", s.Issuer+oauthtest.Token, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := s.Transport().RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var object map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&object); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, object
}

// TestReuseKillsGrant: a rotated refresh token used again takes everything
// that came of the grant with it.
func TestReuseKillsGrant(t *testing.T) {
	s := oauthtest.New("https://as.example")
	_, first := s.Grant("app", "read")
	status, answer := refresh(t, s, first)
	second, _ := answer["refresh_token"].(string)
	access, _ := answer["access_token"].(string)
	if status != 200 || !s.Refreshable(second) || s.Refreshable(first) || !s.Active(access) || !strings.Contains(second+access, oauthtest.Canary) {
		t.Fatal(status, answer)
	}
	status, answer = refresh(t, s, first)
	if diff := cmp.Diff(map[string]any{"error": "invalid_grant"}, answer); diff != "" || status != 400 {
		t.Error(status, diff)
	}
	if status, _ := refresh(t, s, second); status != 400 || s.Active(access) || s.Refreshable(second) {
		t.Error("the grant lives on")
	}
}

// TestConcurrentReuse: of many at once, one wins, and loses all the same.
func TestConcurrentReuse(t *testing.T) {
	s := oauthtest.Start(t)
	_, first := s.Grant("app", "")
	var good atomic.Int32
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if status, _ := refresh(t, s, first); status == 200 {
				good.Add(1)
			}
		})
	}
	all.Wait()
	if good.Load() != 1 || len(s.Requests(oauthtest.Token)) != 20 {
		t.Errorf("%d of %d succeeded", good.Load(), len(s.Requests(oauthtest.Token)))
	}
}

// TestScript: steps serve one request each, in order, on their path only.
func TestScript(t *testing.T) {
	s := oauthtest.New("https://as.example")
	s.Script(oauthtest.Token, oauthtest.Refuse(503, "x", "y"), oauthtest.Normal, oauthtest.Set("expires_in", "soon"), oauthtest.Drop("access_token"))
	var got []any
	for range 5 {
		_, token := s.Grant("app", "")
		status, answer := refresh(t, s, token)
		got = append(got, status, answer["error"], answer["expires_in"], answer["access_token"] != nil)
	}
	want := []any{503, "x", nil, false, 200, nil, 3600.0, true, 200, nil, "soon", true, 200, nil, 3600.0, false, 200, nil, 3600.0, true}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestSlow: the server without a listener runs in a bubble's time and minds
// the request's end.
func TestSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := oauthtest.New("https://as.example")
		s.Script(oauthtest.API, oauthtest.Slow(time.Minute), oauthtest.Slow(time.Minute))
		for _, limit := range []time.Duration{time.Hour, time.Second} {
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			req, _ := http.NewRequestWithContext(ctx, "GET", s.Issuer+oauthtest.API, nil)
			start := time.Now()
			_, err := s.Transport().RoundTrip(req)
			cancel()
			if took := time.Since(start); took != min(limit, time.Minute) || errors.Is(err, context.DeadlineExceeded) != (limit == time.Second) {
				t.Errorf("%v after %v", err, took)
			}
		}
	})
}

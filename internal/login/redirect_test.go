package login_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"authsome/internal/login"
	"authsome/internal/oauth/oauthtest"
	"authsome/internal/provider"
)

func TestRedirects(t *testing.T) {
	port := freePort(t)
	for name, c := range map[string]struct {
		uri  string
		want error // nil: the login succeeds
	}{
		"loopback_any_port": {"http://127.0.0.1/oauth/back", nil},
		"fixed_port":        {fmt.Sprintf("http://127.0.0.1:%d/callback", port), nil},
		"localhost":         {fmt.Sprintf("http://localhost:%d/callback", port), nil},
		"no_path":           {fmt.Sprintf("http://127.0.0.1:%d", port), nil},
		"https":             {"https://127.0.0.1/callback", login.ErrClient},
		"elsewhere":         {"http://192.0.2.1:8080/callback", login.ErrClient},
		"name":              {"http://evil.test/callback", login.ErrClient},
		"query":             {"http://127.0.0.1/callback?x", login.ErrClient},
		"user":              {"http://a@127.0.0.1/callback", login.ErrClient},
		"port":              {"http://127.0.0.1:99999/callback", login.ErrClient},
		"junk":              {"::", login.ErrClient},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			app := oauthtest.App{ID: "mine", AuthMethod: "none", RedirectURIs: []string{c.uri}}
			if name == "loopback_any_port" {
				app.RedirectURIs = nil
			}
			w.server.AddApp(app)
			h := &human{w: w}
			req := w.request(h)
			req.Client = &login.Client{ID: "mine", RedirectURI: c.uri}
			result, err := w.run(req)
			if !errors.Is(err, c.want) {
				t.Fatalf("error %v, want %v", err, c.want)
			}
			if c.want != nil {
				return
			}
			w.check(result, whole)
			if result.Client == nil || result.Client.ID != "mine" || result.Client.RedirectURI != c.uri {
				t.Errorf("the client is not to be kept: %+v", result.Client)
			}
			if h.status != http.StatusOK {
				t.Errorf("page %d: %s", h.status, h.page)
			}
			free(t, redirectURI(t, h.visits[0]))
		})
	}
}

// TestPortTaken: the port that an app is registered with is not ours to choose.
func TestPortTaken(t *testing.T) {
	if l, err := net.Listen("tcp", "127.0.0.1:7999"); err == nil { // else somebody else has it
		defer l.Close()
	}
	for _, redirect := range []string{provider.RedirectFixed, provider.RedirectLocalhost} {
		w := newWorld(t)
		w.definition.OAuth.Redirect = redirect
		h := &human{w: w}
		_, err := w.run(w.request(h))
		if !errors.Is(err, login.ErrRedirect) || !strings.Contains(err.Error(), "7999") || len(h.visits) != 0 {
			t.Errorf("%s: error %v, %d visits", redirect, err, len(h.visits))
		}
	}
}

// TestLocalhostFront: the name's other requests don't get through.
func TestLocalhostFront(t *testing.T) {
	w := newWorld(t)
	uri := fmt.Sprintf("http://localhost:%d/callback", freePort(t))
	w.server.AddApp(oauthtest.App{ID: "mine", AuthMethod: "none", RedirectURIs: []string{uri}})
	h := &human{w: w}
	var stray []int
	h.browse = func(ctx context.Context, v login.Visit) error {
		for _, target := range []string{strings.Replace(uri, "localhost", "127.0.0.1", 1), uri + "?code=x&state=y", strings.Replace(uri, "callback", "favicon.ico", 1)} {
			status, _, err := get(ctx, target)
			if err != nil {
				return err
			}
			stray = append(stray, status)
		}
		return h.follow(ctx, v)
	}
	req := w.request(h)
	req.Client = &login.Client{ID: "mine", RedirectURI: uri}
	if _, err := w.run(req); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{http.StatusMisdirectedRequest, http.StatusBadRequest, http.StatusNotFound}, stray); diff != "" {
		t.Errorf("stray requests (-want +got):\n%s", diff)
	}
}

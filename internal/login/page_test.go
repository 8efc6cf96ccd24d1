package login_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	"authsome/internal/login"
)

// TestPageStyle: the hash in the policy is of the style that is served.
func TestPageStyle(t *testing.T) {
	w := newWorld(t)
	h := &human{w: w}
	var policies []string
	h.browse = func(ctx context.Context, v login.Visit) error {
		_, page, header, err := getHeader(ctx, redirectURI(t, v))
		if err != nil {
			return err
		}
		policies = append(policies, header.Get("Content-Security-Policy"), page)
		return h.follow(ctx, v)
	}
	if _, err := w.run(w.request(h)); err != nil {
		t.Fatal(err)
	}
	for _, page := range []string{policies[1], h.page} {
		styles := regexp.MustCompile(`(?s)<style>(.*?)</style>`).FindAllStringSubmatch(page, -1)
		if len(styles) != 1 {
			t.Fatalf("%d styles", len(styles))
		}
		sum := sha256.Sum256([]byte(styles[0][1]))
		want := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
		if diff := cmp.Diff(want, policies[0]); diff != "" {
			t.Errorf("policy (-want +got):\n%s", diff)
		}
	}
	if !strings.Contains(policies[1], "still waiting") {
		t.Errorf("page of a stray request: %s", policies[1])
	}
}

// TestPage: nothing from elsewhere, no script, no inline style, every text
// escaped, and what a screen reader needs.
func TestPage(t *testing.T) {
	const evil = `"><script src=https://evil.test/></script><img src=x onerror=alert(1)>{{.}}`
	page := string(login.Page{
		Kind: login.PageFailed, Title: evil, Lines: []string{evil}, Says: evil,
		Form: &login.PageForm{Token: evil, Label: evil, Hint: evil, Problem: evil, CreateURL: "javascript:alert(1)", Create: evil, Hidden: true},
	}.HTML())
	document, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	elements := map[string]int{}
	for n := range document.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		elements[n.Data]++
		for _, a := range n.Attr {
			if strings.HasPrefix(a.Key, "on") || a.Key == "style" || a.Key == "src" || a.Key == "href" && strings.HasPrefix(a.Val, "javascript:") {
				t.Errorf("<%s %s=%q>", n.Data, a.Key, a.Val)
			}
		}
	}
	want := map[string]int{
		"html": 1, "head": 1, "meta": 4, "title": 1, "style": 1, "body": 1, "main": 1, "h1": 1, "p": 4, "blockquote": 1,
		"form": 1, "input": 2, "label": 1, "a": 1, "div": 1, "button": 2,
	}
	if diff := cmp.Diff(want, elements); diff != "" {
		t.Errorf("elements (-want +got):\n%s", diff)
	}
	for _, part := range []string{
		`<html lang="en">`, `width=device-width`, `prefers-color-scheme:dark`, `<label for="answer">`, `role="alert"`,
		`aria-invalid="true"`, `aria-describedby="problem hint"`, `type="password"`, `method="post"`, `autocomplete="off"`,
	} {
		if !strings.Contains(page, part) {
			t.Errorf("page lacks %s", part)
		}
	}
	if strings.Contains(page, "url(") || strings.Contains(page, "@import") || strings.Contains(page, "http://") {
		t.Error("page refers to something elsewhere")
	}
}

// TestUsed: the right answer, a second time, changes nothing.
func TestUsed(t *testing.T) {
	w := newWorld(t)
	h := &human{w: w}
	var again string
	w.server.Script("/token", func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { // the login is not over yet
			u, _ := url.Parse(h.visits[0].URL)
			query := url.Values{"code": {"x"}, "state": u.Query()["state"], "iss": {w.server.Issuer}}
			_, again, _ = get(r.Context(), redirectURI(t, h.visits[0])+"?"+query.Encode())
			next.ServeHTTP(rw, r)
		})
	})
	result, err := w.run(w.request(h))
	if err != nil {
		t.Fatal(err)
	}
	w.check(result, whole)
	if !strings.Contains(again, "answered already") {
		t.Errorf("second answer: %s", again)
	}
}

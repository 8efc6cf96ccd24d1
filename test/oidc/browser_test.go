//go:build linux

package oidc_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"strings"

	"golang.org/x/net/html"
)

// What the browser of an authsome process is to do, and where to report.
const (
	planVariable   = "OIDC_PLAN"   // walk, cancel or garbage
	reportVariable = "OIDC_REPORT" // file
)

// The plans.
const (
	planWalk    = "walk"    // log in and consent
	planCancel  = "cancel"  // press Cancel
	planGarbage = "garbage" // walk, and let hostile processes be first at the callback
)

// user is whom the browser logs in as.
const user = "mouse"

// A page is what a browser got for one request.
type page struct {
	URL    string
	Method string
	Status int
	Header http.Header
	Body   string
}

// A browser has cookies and a human in front of it who does what is asked.
type browser struct {
	client *http.Client
	answer map[string]string // what goes into empty fields
	plan   string
	pages  []page
}

func newBrowser(transport http.RoundTripper, plan string) (*browser, error) {
	jar, err := cookiejar.New(nil)
	return &browser{
		client: &http.Client{
			Jar: jar, Transport: transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		answer: map[string]string{"login": user, "password": "cheese"}, plan: plan,
	}, err
}

// browseAndReport is the child that $BROWSER names.
func browseAndReport() error {
	if len(os.Args) != 2 {
		return fmt.Errorf("want a URL, not %d arguments", len(os.Args)-1)
	}
	b, err := newBrowser(http.DefaultTransport, os.Getenv(planVariable))
	if err != nil {
		return err
	}
	_, walked := b.visit(context.Background(), os.Args[1])
	report, err := json.Marshal(b.pages)
	if err != nil {
		return err
	}
	file := os.Getenv(reportVariable)
	if err := os.WriteFile(file+".part", report, 0o600); err != nil {
		return err
	}
	return errors.Join(walked, os.Rename(file+".part", file))
}

// visit opens a page, goes where it leads, and fills in every form until there
// is none. It returns the last page.
func (b *browser) visit(ctx context.Context, target string) (page, error) {
	method, form := http.MethodGet, url.Values(nil)
	for range 25 {
		if b.plan == planGarbage && method == http.MethodGet {
			b.attack(ctx, target)
		}
		p, err := b.load(ctx, method, target, form)
		if err != nil {
			return p, err
		}
		var ok bool
		if target, method, form, ok = b.next(p); !ok {
			return p, nil
		}
	}
	return page{}, errors.New("the pages have no end")
}

func (b *browser) load(ctx context.Context, method, target string, form url.Values) (page, error) {
	r, err := http.NewRequestWithContext(ctx, method, target, strings.NewReader(form.Encode()))
	if err != nil {
		return page{}, err
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := b.client.Do(r)
	if failed, ok := errors.AsType[*url.Error](err); ok {
		return page{}, failed.Err // without the URL, which may hold a code
	}
	if err != nil {
		return page{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	p := page{target, method, resp.StatusCode, resp.Header, string(body)}
	b.pages = append(b.pages, p)
	return p, err
}

// attack sends what a hostile process might to the callback, when the browser
// is about to go there: it has seen the address, not the state.
func (b *browser) attack(ctx context.Context, target string) {
	u, err := url.Parse(target)
	if err != nil || u.Scheme != "http" || !u.Query().Has("state") {
		return
	}
	for _, query := range []string{
		"", "code=evil", "code=evil&state=", "code=evil&state=evil", "state=" + u.Query().Get("state"), "error=access_denied&state=evil",
		"%", "code=evil&state=" + strings.ToUpper(u.Query().Get("state")),
		u.RawQuery + "&state=" + u.Query().Get("state"), u.RawQuery + "&code=evil",
	} {
		evil := *u
		evil.RawQuery = query
		_, _ = b.load(ctx, http.MethodGet, evil.String(), nil) // what comes of it is in pages
	}
	for _, method := range []string{http.MethodHead, http.MethodPost, http.MethodPut, http.MethodOptions} {
		_, _ = b.load(ctx, method, target, nil)
	}
}

// next is what the human does with a page.
func (b *browser) next(p page) (target, method string, form url.Values, ok bool) {
	base, err := url.Parse(p.URL)
	if err != nil {
		return "", "", nil, false
	}
	absolute := func(reference string) string {
		u, err := base.Parse(reference)
		if err != nil {
			return reference
		}
		return u.String()
	}
	if location := p.Header.Get("Location"); p.Status/100 == 3 && location != "" {
		return absolute(location), http.MethodGet, nil, true
	}
	found := read(p.Body)
	if b.plan == planCancel && found.cancel != "" {
		return absolute(found.cancel), http.MethodGet, nil, true
	}
	if found.form == nil {
		return "", "", nil, false
	}
	for name, value := range found.form {
		if value[0] == "" {
			found.form.Set(name, b.answer[name])
		}
	}
	return absolute(found.action), http.MethodPost, found.form, true
}

// content is what can be done on a page.
type content struct {
	action string
	form   url.Values // of the first form; nil for none
	cancel string     // where the link to cancel leads
}

func read(source string) content {
	var c content
	tokens := html.NewTokenizer(strings.NewReader(source))
	for {
		kind := tokens.Next()
		if kind == html.ErrorToken {
			return c
		}
		token := tokens.Token()
		if kind != html.StartTagToken && kind != html.SelfClosingTagToken {
			continue
		}
		attributes := map[string]string{}
		for _, a := range token.Attr {
			attributes[a.Key] = a.Val
		}
		switch {
		case token.Data == "form" && c.form == nil:
			c.form, c.action = url.Values{}, attributes["action"]
		case token.Data == "input" && c.form != nil && attributes["name"] != "":
			c.form.Set(attributes["name"], attributes["value"])
		case token.Data == "a" && strings.HasSuffix(attributes["href"], "/abort"):
			c.cancel = attributes["href"]
		}
	}
}

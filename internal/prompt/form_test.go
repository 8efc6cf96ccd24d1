package prompt_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"authsome/internal/login"
	"authsome/internal/prompt"
	"authsome/internal/secret"
)

const key = "sk-CANARY-key"

// buffer is written to by several goroutines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// asked is a form that is open.
type asked struct {
	t      *testing.T
	out    *buffer
	cancel context.CancelFunc
	value  chan secret.Text
	err    chan error

	page, origin, token string
}

var question = login.Question{
	Provider: "Acme", Label: "API key", Hint: "Keys start with sk-.", CreateURL: "https://acme.test/keys",
	Check: func(value secret.Text) error {
		if !strings.HasPrefix(value.Reveal(), "sk-") {
			return errors.New("value is not accepted: Keys start with sk-.")
		}
		return nil
	},
}

func ask(t *testing.T, q login.Question) *asked {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	a := &asked{t: t, out: &buffer{}, cancel: cancel, value: make(chan secret.Text, 1), err: make(chan error, 1)}
	t.Cleanup(cancel)
	go func() {
		value, err := prompt.Form{Out: a.out}.Secret(ctx, q)
		a.value <- value
		a.err <- err
	}()
	a.page = a.printed()
	u, _ := url.Parse(a.page)
	a.origin = "http://" + u.Host
	r := a.send(request{method: "GET", url: a.page})
	a.token = regexp.MustCompile(`name="token" value="([^"]+)"`).FindStringSubmatch(r.body)[1]
	return a
}

// printed waits for the form's URL.
func (a *asked) printed() string {
	a.t.Helper()
	for range 500 {
		if found := regexp.MustCompile(`http://127\.0\.0\.1:\d+/\S+`).FindString(a.out.String()); found != "" {
			return found
		}
		time.Sleep(10 * time.Millisecond)
	}
	a.t.Fatalf("no URL in %q", a.out)
	return ""
}

type request struct {
	method, url, host, body string
	header                  map[string]string
}

type answer struct {
	status int
	body   string
	header http.Header
}

func (a *asked) send(r request) answer {
	a.t.Helper()
	req, err := http.NewRequestWithContext(a.t.Context(), r.method, r.url, strings.NewReader(r.body))
	if err != nil {
		a.t.Fatal(err)
	}
	req.Host = r.host
	for name, value := range r.header {
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		a.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	if strings.Contains(string(body), "CANARY") {
		a.t.Errorf("the page repeats the value: %s", body)
	}
	return answer{resp.StatusCode, string(body), resp.Header}
}

// post is what a browser sends when a button is pressed.
func (a *asked) post(value, action string) request {
	return request{
		method: "POST", url: a.page,
		body: url.Values{"token": {a.token}, "answer": {value}, "action": {action}}.Encode(),
		header: map[string]string{
			"Content-Type": "application/x-www-form-urlencoded", "Origin": a.origin, "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate",
		},
	}
}

// with is a request with one header changed, or left out for "".
func (r request) with(name, value string) request {
	changed := map[string]string{}
	for n, v := range r.header {
		changed[n] = v
	}
	changed[name] = value
	if value == "" {
		delete(changed, name)
	}
	r.header = changed
	return r
}

// end checks what the form returned, and that its port is free.
func (a *asked) end(want string, wantErr error) {
	a.t.Helper()
	select {
	case value := <-a.value:
		if err := <-a.err; !errors.Is(err, wantErr) || value.Reveal() != want {
			a.t.Errorf("value %q, error %v, want %q, %v", value.Reveal(), err, want, wantErr)
		}
	case <-time.After(5 * time.Second):
		a.t.Fatal("the form does not end")
	}
	u, _ := url.Parse(a.page)
	l, err := net.Listen("tcp", u.Host)
	if err != nil {
		a.t.Fatalf("the port is not free: %v", err)
	}
	l.Close()
	if strings.Contains(a.out.String(), "CANARY") {
		a.t.Errorf("output holds the value: %s", a.out)
	}
}

func TestForm(t *testing.T) {
	a := ask(t, question)
	got := a.send(a.post("  "+key+"\r\n", "save"))
	if got.status != http.StatusOK || !strings.Contains(got.body, "Handed to authsome") {
		t.Errorf("answer %+v", got)
	}
	a.end(key, nil)
}

func TestFormCancelButton(t *testing.T) {
	a := ask(t, question)
	got := a.send(a.post("", "cancel"))
	if got.status != http.StatusOK || !strings.Contains(got.body, "Cancelled") {
		t.Errorf("answer %+v", got)
	}
	a.end("", login.ErrCancelled)
}

// TestFormInterrupt is O027.
func TestFormInterrupt(t *testing.T) {
	a := ask(t, question)
	a.cancel()
	a.end("", login.ErrCancelled)
}

func TestFormTimeout(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := (prompt.Form{Out: io.Discard}).Secret(ctx, question); !errors.Is(err, login.ErrTimeout) {
		t.Errorf("error %v", err)
	}
}

// TestFormProblem: what is wrong is said, and the form asks again.
func TestFormProblem(t *testing.T) {
	a := ask(t, question)
	for name, c := range map[string]struct{ value, says string }{
		"pattern":      {"CANARY-wrong", "value is not accepted: Keys start with sk-."},
		"O031_empty":   {" ", "This is needed."},
		"O031_too_big": {"sk-" + strings.Repeat("x", prompt.MaxInput), "longer than 65536 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			got := a.send(a.post(c.value, "save"))
			if got.status != http.StatusUnprocessableEntity || !strings.Contains(got.body, c.says) || !strings.Contains(got.body, `aria-invalid="true"`) {
				t.Errorf("status %d, page %s", got.status, got.body)
			}
		})
	}
	a.send(a.post(key, "save"))
	a.end(key, nil)
}

// TestFormHostile is O030 and S010: no other page, and nobody without the
// page, gives an answer.
func TestFormHostile(t *testing.T) {
	a := ask(t, question)
	good := a.post("sk-planted", "save")
	u, _ := url.Parse(a.page)
	body := func(fields url.Values) request {
		r := good
		r.body = fields.Encode()
		return r
	}
	elsewhere := func(r request, host string) request { r.host = host; return r }
	at := func(r request, target string) request { r.url = target; return r }
	by := func(r request, method string) request { r.method = method; return r }
	get := request{method: "GET", url: a.page}
	for name, c := range map[string]struct {
		request request
		status  int
	}{
		"O030_wrong_host":         {elsewhere(good, "evil.test:"+u.Port()), http.StatusMisdirectedRequest},
		"O030_localhost":          {elsewhere(get, "localhost:"+u.Port()), http.StatusMisdirectedRequest},
		"O030_wrong_origin":       {good.with("Origin", "https://evil.test"), http.StatusForbidden},
		"O030_null_origin":        {good.with("Origin", "null"), http.StatusForbidden},
		"O030_other_port":         {good.with("Origin", "http://127.0.0.1:1"), http.StatusForbidden},
		"O030_no_origin":          {good.with("Origin", ""), http.StatusForbidden},
		"S010_cross_site":         {good.with("Sec-Fetch-Site", "cross-site"), http.StatusForbidden},
		"S010_same_site":          {good.with("Sec-Fetch-Site", "same-site"), http.StatusForbidden},
		"S010_typed":              {good.with("Sec-Fetch-Site", "none"), http.StatusForbidden},
		"S010_text_plain":         {good.with("Content-Type", "text/plain"), http.StatusUnsupportedMediaType},
		"S010_multipart":          {good.with("Content-Type", "multipart/form-data; boundary=x"), http.StatusUnsupportedMediaType},
		"S010_other_path":         {at(good.with("Origin", "https://evil.test"), a.origin+"/"), http.StatusForbidden},
		"S010_fetch":              {get.with("Sec-Fetch-Site", "cross-site").with("Sec-Fetch-Mode", "no-cors"), http.StatusForbidden},
		"S010_cors_fetch":         {get.with("Origin", "https://evil.test"), http.StatusForbidden},
		"O030_key_in_URL":         {at(by(get, "GET"), a.page+"?answer=sk-planted&action=save&token="+a.token), http.StatusBadRequest},
		"O030_key_in_URL_posted":  {at(good, a.page+"?answer=sk-planted"), http.StatusBadRequest},
		"O030_empty_query":        {at(good, a.page+"?"), http.StatusBadRequest},
		"O030_no_token":           {body(url.Values{"answer": {"sk-planted"}}), http.StatusForbidden},
		"O030_wrong_token":        {body(url.Values{"answer": {"sk-planted"}, "token": {"x" + a.token[1:]}}), http.StatusForbidden},
		"O030_two_tokens":         {body(url.Values{"answer": {"sk-planted"}, "token": {a.token, "x"}}), http.StatusBadRequest},
		"O030_two_answers":        {body(url.Values{"answer": {"sk-planted", "sk-b"}, "token": {a.token}}), http.StatusBadRequest},
		"O030_cancel_by_stranger": {body(url.Values{"action": {"cancel"}}), http.StatusForbidden},
		"O031_too_large":          {body(url.Values{"answer": {strings.Repeat("x", 1<<20)}, "token": {a.token}}), http.StatusRequestEntityTooLarge},
		"PUT":                     {by(good, "PUT"), http.StatusMethodNotAllowed},
		"HEAD":                    {by(good, "HEAD"), http.StatusMethodNotAllowed},
		"OPTIONS":                 {by(good, "OPTIONS"), http.StatusMethodNotAllowed},
		"root":                    {at(get, a.origin+"/"), http.StatusNotFound},
		"favicon":                 {at(get, a.origin+"/favicon.ico"), http.StatusNotFound},
		"path_below":              {at(get, a.page+"/"), http.StatusNotFound},
		"linked_from_elsewhere":   {get.with("Sec-Fetch-Site", "cross-site").with("Sec-Fetch-Mode", "navigate"), http.StatusOK},
		"reload":                  {get.with("Sec-Fetch-Site", "none"), http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			got := a.send(c.request)
			if got.status != c.status {
				t.Errorf("status %d, want %d", got.status, c.status)
			}
			if strings.Contains(got.body, "planted") || c.status != http.StatusOK && strings.Contains(got.body, a.token) {
				t.Errorf("page %s", got.body)
			}
		})
	}
	select {
	case <-a.value:
		t.Fatal("one of them was taken for an answer")
	default:
	}
	a.send(a.post(key, "save"))
	a.end(key, nil)
}

// TestFormTwice is O030: the first answer counts.
func TestFormTwice(t *testing.T) {
	a := ask(t, question)
	var both sync.WaitGroup
	statuses := make([]int, 2)
	for i := range statuses {
		both.Go(func() {
			req, _ := http.NewRequestWithContext(t.Context(), "POST", a.page, strings.NewReader(a.post(key, "save").body))
			for name, value := range a.post("", "").header {
				req.Header.Set(name, value)
			}
			resp, err := http.DefaultTransport.RoundTrip(req)
			if err != nil {
				return // the form is closed already
			}
			resp.Body.Close()
			statuses[i] = resp.StatusCode
		})
	}
	both.Wait()
	ok := 0
	for _, status := range statuses {
		switch status {
		case http.StatusOK:
			ok++
		case http.StatusGone, 0:
		default:
			t.Errorf("status %d", status)
		}
	}
	if ok != 1 {
		t.Errorf("statuses %v", statuses)
	}
	a.end(key, nil)
}

func TestFormPolicy(t *testing.T) {
	a := ask(t, question)
	got := a.send(request{method: "GET", url: a.page})
	style := regexp.MustCompile(`(?s)<style>(.*?)</style>`).FindStringSubmatch(got.body)[1]
	sum := sha256.Sum256([]byte(style))
	want := map[string]string{
		"Content-Security-Policy": "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
			"'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
		"Cache-Control": "no-store", "Referrer-Policy": "same-origin", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
		"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin", "Content-Type": "text/html; charset=utf-8",
	}
	headers := map[string]string{}
	for name := range want {
		headers[name] = got.header.Get(name)
	}
	if diff := cmp.Diff(want, headers); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	for _, part := range []string{"API key for Acme", "Keys start with sk-.", `href="https://acme.test/keys"`, "Make a key at", `type="password"`} {
		if !strings.Contains(got.body, part) {
			t.Errorf("page lacks %q", part)
		}
	}
	a.cancel()
	a.end("", login.ErrCancelled)
}

func TestFormText(t *testing.T) {
	out := &buffer{}
	a := &asked{t: t, out: out}
	done := make(chan string, 1)
	go func() {
		value, err := prompt.Form{Out: out}.Text(t.Context(), login.Question{Provider: "Acme", Label: "Client ID", Optional: true})
		if err != nil {
			t.Error(err)
		}
		done <- value
	}()
	a.page = a.printed()
	u, _ := url.Parse(a.page)
	a.origin = "http://" + u.Host
	page := a.send(request{method: "GET", url: a.page}).body
	if !strings.Contains(page, `type="text"`) || strings.Contains(page, "required") {
		t.Errorf("page %s", page)
	}
	a.token = regexp.MustCompile(`name="token" value="([^"]+)"`).FindStringSubmatch(page)[1]
	a.send(a.post("", "save"))
	if value := <-done; value != "" {
		t.Errorf("value %q", value)
	}
}

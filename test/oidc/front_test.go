//go:build linux

package oidc_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A moment is a step of a token request on its way through the front.
type moment int

const (
	arrived  moment = iota // not yet at the server
	rotated                // the server has answered, the client knows nothing
	answered               // the client has, or is about to have, the answer
)

// A front is https://auth.example.test of one lab: it stands before the server
// and can be told what to do with token requests.
type front struct {
	proxy httputil.ReverseProxy
	down  atomic.Int32 // status to answer token requests with; 0: none
	asked atomic.Int32 // token requests answered so

	mu   sync.Mutex // guards taps
	taps map[string]tap
}

// A tap is called at every moment of a client's refreshes. When it returns
// false the request goes no further.
type tap func(moment) (onward bool)

func newFront(s *server) (*front, error) {
	target, err := url.Parse(s.origin)
	if err != nil {
		return nil, err
	}
	f := &front{taps: map[string]tap{}}
	f.proxy.Rewrite = func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host
		r.Out.Header.Set("X-Forwarded-Proto", "https")
		r.Out.Header.Set("X-Forwarded-Host", r.In.Host)
	}
	return f, nil
}

// tap sets the tap of a client.
func (f *front) tap(client string, on tap) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.taps[client] = on
}

func (f *front) tapped(body []byte) tap {
	form, err := url.ParseQuery(string(body))
	f.mu.Lock()
	defer f.mu.Unlock()
	if on := f.taps[form.Get("client_id")]; err == nil && on != nil && form.Get("grant_type") == "refresh_token" {
		return on
	}
	return func(moment) bool { return true }
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch status := int(f.down.Load()); {
	case strings.HasPrefix(r.URL.Path, "/control/"):
		http.NotFound(w, r)
	case r.URL.Path != "/token":
		f.proxy.ServeHTTP(w, r)
	case status != 0:
		_, _ = io.Copy(io.Discard, r.Body)
		f.asked.Add(1)
		w.WriteHeader(status)
	default:
		f.token(w, r)
	}
}

func (f *front) token(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	on := f.tapped(body)
	if !on(arrived) {
		return
	}
	// The server is to see every request, also that of a client which is dead.
	sent := r.Clone(context.WithoutCancel(r.Context()))
	sent.Body = io.NopCloser(bytes.NewReader(body))
	answer := httptest.NewRecorder()
	f.proxy.ServeHTTP(answer, sent)
	if !on(rotated) {
		return
	}
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
	_ = http.NewResponseController(w).Flush()
	on(answered)
}

// An api is https://api.example.test of one lab: it accepts the tokens that
// the server calls active.
type api struct {
	server *server

	mu    sync.Mutex // guards known
	known map[string]verdict
}

type verdict struct {
	sub   string
	ok    bool
	until time.Time
}

// lasting is how long the API believes what the server said of a token.
const lasting = 500 * time.Millisecond

func (a *api) judge(token string) verdict {
	a.mu.Lock()
	defer a.mu.Unlock()
	v := a.known[token]
	if time.Now().After(v.until) {
		v.sub, v.ok, _ = a.server.active(token)
		v.until = time.Now().Add(lasting)
		a.known[token] = v
	}
	return v
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	w.Header().Set("Content-Type", "application/json")
	if r.URL.Path == wellKnown {
		_, _ = io.WriteString(w, `{"resource": "`+resource+`", "authorization_servers": ["`+issuer+`"], "scopes_supported": ["api:read"]}`)
		return
	}
	v := a.judge(token)
	if !v.ok {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token", resource_metadata="`+strings.TrimSuffix(resource, "/")+wellKnown+`"`)
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"error": "invalid_token"}`)
		return
	}
	_, _ = io.WriteString(w, `{"login": "`+v.sub+`"}`)
}

// wellKnown is where the API's metadata are (RFC 9728).
const wellKnown = "/.well-known/oauth-protected-resource"

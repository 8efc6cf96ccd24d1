// Package oauthtest is an authorization server for tests: it keeps the RFCs by
// default, records every request, and misbehaves as told.
//
// It issues codes without asking anyone, checks PKCE, rotates refresh tokens
// and kills the grant when one is used twice, registers clients, and answers
// device codes when the test approves them. Every secret it makes contains
// Canary. It runs behind a listener (Start, StartTLS) or without one
// (Transport), as a bubble of testing/synctest needs. It does not know
// package oauth.
package oauthtest

import (
	"crypto/rand"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"
)

// Canary is part of every secret that a Server makes.
const Canary = "CANARY"

// The paths of the endpoints, which scripts and records go by.
const (
	Authorize = "/authorize"
	Token     = "/token"
	Device    = "/device"
	Register  = "/register"
	Revoke    = "/revoke"
	Metadata  = "/.well-known/oauth-authorization-server"
	OpenID    = "/.well-known/openid-configuration"
	Resource  = "/.well-known/oauth-protected-resource"
	API       = "/api" // a protected resource
)

// App is a client the server knows.
type App struct {
	ID, Secret   string // Secret "" for a public client
	RedirectURIs []string
	AuthMethod   string // none, client_secret_post or client_secret_basic
}

// Server is an authorization server. Its fields may be changed until it is
// first used.
type Server struct {
	Issuer    string        // its own URL
	TTL       time.Duration // of an access token; zero leaves expires_in out
	Rotate    bool          // a refresh gives a new refresh token, and reuse of an old one kills the grant
	NoRefresh bool          // give no refresh tokens
	Interval  int           // of device polling, in seconds; zero leaves it out
	DeviceTTL time.Duration // of a device code

	listener *httptest.Server // nil without one

	mu       sync.Mutex
	requests []Request
	scripts  map[string][]Step
	apps     map[string]App
	codes    map[string]*code
	devices  map[string]*device // by device code
	refresh  map[string]*refreshToken
	access   map[string]access
}

// New returns a server without a listener, that knows one public client:
// "app", with any loopback redirect.
func New(issuer string) *Server {
	return &Server{
		Issuer: issuer, TTL: time.Hour, Rotate: true, Interval: 5, DeviceTTL: 10 * time.Minute,
		scripts: map[string][]Step{}, codes: map[string]*code{}, devices: map[string]*device{},
		refresh: map[string]*refreshToken{}, access: map[string]access{},
		apps: map[string]App{"app": {ID: "app", AuthMethod: "none"}},
	}
}

// Start returns a server that listens on http://127.0.0.1 until the test ends.
func Start(t testing.TB) *Server {
	s := New("")
	s.listener = httptest.NewServer(s)
	return s.started(t)
}

// StartTLS is Start with https, for a certificate that only Transport trusts.
func StartTLS(t testing.TB) *Server {
	s := New("")
	s.listener = httptest.NewTLSServer(s)
	return s.started(t)
}

func (s *Server) started(t testing.TB) *Server {
	s.Issuer = s.listener.URL
	t.Cleanup(s.listener.Close)
	return s
}

// AddApp makes a client known.
func (s *Server) AddApp(a App) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.apps[a.ID] = a
}

// ForgetApp makes a client unknown, as servers do with registered ones.
func (s *Server) ForgetApp(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.apps, id)
}

// Request is one request as it came.
type Request struct {
	Method string
	Host   string
	Path   string
	Query  string // raw
	Header http.Header
	Body   string
	At     time.Time
}

// Form returns the body as a form.
func (r Request) Form() url.Values {
	form, _ := url.ParseQuery(r.Body)
	return form
}

// Requests returns all requests to a path, in order; to all paths for "".
func (s *Server) Requests(path string) []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []Request
	for _, r := range s.requests {
		if path == "" || r.Path == path {
			found = append(found, r)
		}
	}
	return found
}

// ServeHTTP records the request and serves it, by the next step of the path's
// script when there is one.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r, step := s.record(r)
	var handler http.Handler = http.HandlerFunc(s.serve)
	if step != nil {
		handler = step(handler)
	}
	handler.ServeHTTP(w, r)
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	handlers := map[string]http.HandlerFunc{
		Authorize: s.serveAuthorize, Token: s.serveToken, Device: s.serveDevice, Register: s.serveRegister,
		Revoke: s.serveRevoke, Metadata: s.serveMetadata, OpenID: s.serveMetadata,
		Resource + API: s.serveResource, API: s.serveAPI,
	}
	handler, ok := handlers[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	handler(w, r)
}

func (s *Server) serveMetadata(w http.ResponseWriter, _ *http.Request) {
	write(w, http.StatusOK, map[string]any{
		"issuer":                                         s.Issuer,
		"authorization_endpoint":                         s.Issuer + Authorize,
		"token_endpoint":                                 s.Issuer + Token,
		"device_authorization_endpoint":                  s.Issuer + Device,
		"registration_endpoint":                          s.Issuer + Register,
		"revocation_endpoint":                            s.Issuer + Revoke,
		"response_types_supported":                       []string{"code"},
		"code_challenge_methods_supported":               []string{"S256"},
		"token_endpoint_auth_methods_supported":          []string{"none", "client_secret_basic", "client_secret_post"},
		"authorization_response_iss_parameter_supported": true,
	})
}

func (s *Server) serveResource(w http.ResponseWriter, _ *http.Request) {
	write(w, http.StatusOK, map[string]any{
		"resource": s.Issuer + API, "authorization_servers": []string{s.Issuer}, "scopes_supported": []string{"read"},
	})
}

// serveAPI answers who holds an access token, or a challenge.
func (s *Server) serveAPI(w http.ResponseWriter, r *http.Request) {
	if !s.Active(bearer(r)) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="api", resource_metadata="`+s.Issuer+Resource+API+`"`)
		write(w, http.StatusUnauthorized, map[string]any{"error": "invalid_token"})
		return
	}
	write(w, http.StatusOK, map[string]any{"login": "someone"})
}

// write sends JSON.
func write(w http.ResponseWriter, status int, object map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(object)
}

// refuse sends an error (RFC 6749 section 5.2).
func refuse(w http.ResponseWriter, code string) {
	status := http.StatusBadRequest
	if code == "invalid_client" {
		status = http.StatusUnauthorized
	}
	write(w, status, map[string]any{"error": code})
}

// fresh makes a secret of a kind.
func fresh(kind string) string { return kind + "-" + Canary + "-" + rand.Text() }

// Secrets returns every secret the server has made, sorted, for a search of
// what must not hold them.
func (s *Server) Secrets() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.Concat(slices.Collect(maps.Keys(s.codes)), slices.Collect(maps.Keys(s.devices)),
		slices.Collect(maps.Keys(s.refresh)), slices.Collect(maps.Keys(s.access)))
	for _, a := range s.apps {
		if a.Secret != "" {
			all = append(all, a.Secret)
		}
	}
	slices.Sort(all)
	return all
}

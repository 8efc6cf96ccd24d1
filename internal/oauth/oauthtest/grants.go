package oauthtest

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// grant is what a human has allowed a client once. All its tokens die with it.
type grant struct {
	app    string
	scopes string
	dead   bool
}

type code struct {
	grant     *grant
	redirect  string
	challenge string
	used      bool
}

type refreshToken struct {
	grant *grant
	used  bool
}

type access struct {
	grant  *grant
	expiry time.Time // zero for never
}

type device struct {
	grant    *grant
	userCode string
	expiry   time.Time
	approved bool
	denied   bool
}

// serveAuthorize approves at once and sends the browser back.
func (s *Server) serveAuthorize(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := r.URL.Query()
	app, known := s.apps[q.Get("client_id")]
	redirect, err := url.Parse(q.Get("redirect_uri"))
	if !known || err != nil || !app.redirects(redirect) {
		http.Error(w, "unknown client or redirect_uri", http.StatusBadRequest)
		return
	}
	if q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256" || len(q.Get("code_challenge")) != 43 {
		http.Error(w, "not a code request with PKCE", http.StatusBadRequest)
		return
	}
	value := fresh("code")
	s.codes[value] = &code{
		grant:    &grant{app: app.ID, scopes: q.Get("scope")},
		redirect: q.Get("redirect_uri"), challenge: q.Get("code_challenge"),
	}
	redirect.RawQuery = url.Values{"code": {value}, "state": {q.Get("state")}, "iss": {s.Issuer}}.Encode()
	http.Redirect(w, r, redirect.String(), http.StatusFound)
}

// redirects reports whether u is registered: any loopback one for a client
// without a list.
func (a App) redirects(u *url.URL) bool {
	if a.RedirectURIs == nil {
		return u.Scheme == "http" && u.Hostname() == "127.0.0.1"
	}
	return slices.Contains(a.RedirectURIs, u.String())
}

// form reads a token request, form or JSON, and who sends it.
func (s *Server) form(r *http.Request) (form url.Values, client App, ok bool) {
	form = url.Values{}
	if r.Header.Get("Content-Type") == "application/json" {
		var object map[string]string
		if json.NewDecoder(r.Body).Decode(&object) != nil {
			return form, client, false
		}
		for name, value := range object {
			form.Set(name, value)
		}
	} else if r.ParseForm() == nil {
		form = r.PostForm
	}
	id, pass, method := form.Get("client_id"), form.Get("client_secret"), "none"
	if pass != "" {
		method = "client_secret_post"
	}
	if user, word, basic := r.BasicAuth(); basic {
		method = "client_secret_basic"
		id, _ = url.QueryUnescape(user)
		pass, _ = url.QueryUnescape(word)
	}
	client, known := s.apps[id]
	return form, client, known && client.Secret == pass && client.AuthMethod == method
}

func (s *Server) serveToken(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	form, app, ok := s.form(r)
	if !ok && form.Get("device_code") == "" { // a device code of the JSON variant comes alone
		refuse(w, "invalid_client")
		return
	}
	switch form.Get("grant_type") {
	case "authorization_code":
		s.tradeCode(w, form, app)
	case "refresh_token":
		s.tradeRefresh(w, form, app)
	case "client_credentials":
		if app.Secret == "" {
			refuse(w, "unauthorized_client")
			return
		}
		s.issue(w, &grant{app: app.ID, scopes: form.Get("scope")}, false)
	case "urn:ietf:params:oauth:grant-type:device_code", "":
		s.tradeDevice(w, form)
	default:
		refuse(w, "unsupported_grant_type")
	}
}

func (s *Server) tradeCode(w http.ResponseWriter, form url.Values, app App) {
	c := s.codes[form.Get("code")]
	sum := sha256.Sum256([]byte(form.Get("code_verifier")))
	switch {
	case c == nil || c.grant.app != app.ID || c.redirect != form.Get("redirect_uri"):
		refuse(w, "invalid_grant")
	case c.used: // RFC 6749 section 4.1.2: what it was traded for dies too
		c.grant.dead = true
		refuse(w, "invalid_grant")
	case base64.RawURLEncoding.EncodeToString(sum[:]) != c.challenge:
		refuse(w, "invalid_grant")
	default:
		c.used = true
		s.issue(w, c.grant, true)
	}
}

func (s *Server) tradeRefresh(w http.ResponseWriter, form url.Values, app App) {
	value := form.Get("refresh_token")
	t := s.refresh[value]
	switch {
	case t == nil || t.grant.app != app.ID || t.grant.dead:
		refuse(w, "invalid_grant")
	case t.used: // RFC 9700 section 4.14: reuse means theft
		t.grant.dead = true
		refuse(w, "invalid_grant")
	case s.Rotate:
		t.used = true
		s.issue(w, t.grant, true)
	default:
		s.issue(w, t.grant, false)
	}
}

func (s *Server) tradeDevice(w http.ResponseWriter, form url.Values) {
	d := s.devices[form.Get("device_code")]
	switch {
	case d == nil:
		refuse(w, "invalid_grant")
	case time.Now().After(d.expiry):
		refuse(w, "expired_token")
	case d.denied:
		refuse(w, "access_denied")
	case !d.approved:
		refuse(w, "authorization_pending")
	default:
		delete(s.devices, form.Get("device_code"))
		s.issue(w, d.grant, true)
	}
}

// issue answers with tokens of a grant.
func (s *Server) issue(w http.ResponseWriter, g *grant, refreshable bool) {
	value := fresh("access")
	o := map[string]any{"access_token": value, "token_type": "Bearer"}
	if g.scopes != "" {
		o["scope"] = g.scopes
	}
	a := access{grant: g}
	if s.TTL > 0 {
		o["expires_in"] = int(s.TTL / time.Second)
		a.expiry = time.Now().Add(s.TTL)
	}
	s.access[value] = a
	if refreshable && !s.NoRefresh {
		value = fresh("refresh")
		o["refresh_token"] = value
		s.refresh[value] = &refreshToken{grant: g}
	}
	write(w, http.StatusOK, o)
}

func (s *Server) serveDevice(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	form, app, ok := s.form(r)
	if !ok && form.Get("client_id") != "" {
		refuse(w, "invalid_client")
		return
	}
	value, userCode := fresh("device"), rand.Text()[:8]
	s.devices[value] = &device{
		grant: &grant{app: app.ID, scopes: form.Get("scope")}, userCode: userCode, expiry: time.Now().Add(s.DeviceTTL),
	}
	o := map[string]any{
		"device_code": value, "user_code": userCode, "verification_uri": s.Issuer + "/activate",
		"verification_uri_complete": s.Issuer + "/activate?user_code=" + userCode, "expires_in": int(s.DeviceTTL / time.Second),
	}
	if s.Interval != 0 {
		o["interval"] = s.Interval
	}
	write(w, http.StatusOK, o)
}

// Approve answers a device's user code; it reports whether there is such a one.
func (s *Server) Approve(userCode string) bool {
	return s.decide(userCode, func(d *device) { d.approved = true })
}

// Deny is Approve's opposite.
func (s *Server) Deny(userCode string) bool {
	return s.decide(userCode, func(d *device) { d.denied = true })
}

func (s *Server) decide(userCode string, how func(*device)) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.devices {
		if d.userCode == userCode {
			how(d)
			return true
		}
	}
	return false
}

func (s *Server) serveRegister(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var o map[string]any
	if json.NewDecoder(r.Body).Decode(&o) != nil {
		refuse(w, "invalid_client_metadata")
		return
	}
	a := App{ID: "dcr-" + rand.Text(), AuthMethod: "client_secret_basic"}
	if method, ok := o["token_endpoint_auth_method"].(string); ok {
		a.AuthMethod = method
	}
	uris, _ := o["redirect_uris"].([]any)
	for _, u := range uris {
		a.RedirectURIs = append(a.RedirectURIs, u.(string))
	}
	if a.AuthMethod != "none" {
		a.Secret = fresh("secret")
		o["client_secret"], o["client_secret_expires_at"] = a.Secret, 0
	}
	o["client_id"], o["registration_access_token"] = a.ID, fresh("registration")
	o["registration_client_uri"] = s.Issuer + Register + "/" + a.ID
	s.apps[a.ID] = a
	write(w, http.StatusCreated, o)
}

// serveRevoke kills the grant of a refresh token, or one access token.
func (s *Server) serveRevoke(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	form, app, ok := s.form(r)
	if !ok {
		refuse(w, "invalid_client")
		return
	}
	if t := s.refresh[form.Get("token")]; t != nil && t.grant.app == app.ID {
		t.grant.dead = true
	}
	if a, ok := s.access[form.Get("token")]; ok && a.grant.app == app.ID {
		s.access[form.Get("token")] = access{grant: &grant{dead: true}}
	}
	w.WriteHeader(http.StatusOK)
}

// Grant makes a grant without a login: its first tokens.
func (s *Server) Grant(app, scopes string) (accessToken, refresh string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := &grant{app: app, scopes: scopes}
	accessToken, refresh = fresh("access"), fresh("refresh")
	s.access[accessToken] = access{grant: g, expiry: time.Now().Add(s.TTL)}
	s.refresh[refresh] = &refreshToken{grant: g}
	return accessToken, refresh
}

// Active reports whether an access token is good now.
func (s *Server) Active(accessToken string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.access[accessToken]
	return ok && !a.grant.dead && (a.expiry.IsZero() || time.Now().Before(a.expiry))
}

// Refreshable reports whether a refresh token would be traded now.
func (s *Server) Refreshable(refresh string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.refresh[refresh]
	return ok && !t.used && !t.grant.dead
}

func bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return token
}

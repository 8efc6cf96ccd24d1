package login_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"authsome/internal/credential"
	"authsome/internal/inject"
	"authsome/internal/login"
	"authsome/internal/oauth/oauthtest"
	"authsome/internal/provider"
	"authsome/internal/secret"
)

// world is an authorization server, a definition for it, and a log.
type world struct {
	t          *testing.T
	server     *oauthtest.Server
	definition *provider.Definition
	log        *buffer
	network    login.Network
}

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

func newWorld(t *testing.T) *world { return worldOf(t, oauthtest.StartTLS(t)) }

func worldOf(t *testing.T, s *oauthtest.Server) *world {
	t.Helper()
	bearer, err := inject.Compile(inject.Spec{Kind: "header", Name: "Authorization", Value: "Bearer {access_token}"})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, server: s, log: &buffer{}}
	w.definition = &provider.Definition{
		Name: "acme", DisplayName: "Acme", AuthType: provider.AuthOAuth2, Flow: provider.FlowPKCE,
		Inject: []inject.Injection{bearer},
		OAuth: &provider.OAuth{
			AuthorizationURL: s.Issuer + oauthtest.Authorize, TokenURL: s.Issuer + oauthtest.Token,
			RevocationURL: s.Issuer + oauthtest.Revoke, DeviceAuthorizationURL: s.Issuer + oauthtest.Device,
			ClientID: "app", Scopes: []string{"read", "write"},
			Account: &provider.Account{URL: s.Issuer + oauthtest.API, Paths: []string{"user.email", "login"}},
		},
	}
	w.network = login.NewNetwork(s.Transport(), slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	t.Cleanup(func() { w.clean("log", w.log.String()) })
	return w
}

// clean is I1: no secret of the server in a text.
func (w *world) clean(what, text string) {
	w.t.Helper()
	if strings.Contains(text, oauthtest.Canary) {
		w.t.Errorf("%s holds a secret: %s", what, text)
	}
}

func (w *world) request(ui login.UI) login.Request {
	return login.Request{Definition: w.definition, UI: ui, Network: w.network}
}

// run logs in and checks that an error holds no secret.
func (w *world) run(req login.Request) (login.Result, error) {
	w.t.Helper()
	result, err := login.Run(w.t.Context(), req)
	if err != nil {
		w.clean("error", err.Error())
	}
	return result, err
}

// obtained is a Result as far as it can be known beforehand.
type obtained struct {
	Flow, Account                string
	Scopes, Missing              []string
	Active, Refreshable, Expires bool
}

func (w *world) check(got login.Result, want obtained) {
	w.t.Helper()
	refresh := got.Credential.Field(credential.RefreshToken)
	if diff := cmp.Diff(want, obtained{
		got.Flow, got.Account, got.Credential.Scopes, got.Missing,
		w.server.Active(got.Credential.Field(credential.AccessToken).Reveal()),
		!refresh.IsZero() && w.server.Refreshable(refresh.Reveal()), !got.Credential.Expiry.IsZero(),
	}); diff != "" {
		w.t.Errorf("result (-want +got):\n%s", diff)
	}
}

// human answers questions and goes where they are sent.
type human struct {
	w       *world
	text    string // answer to Text
	secret  string // answer to Secret
	approve func(login.Visit)
	browse  func(context.Context, login.Visit) error // nil: like a browser

	mu     sync.Mutex
	asked  []string
	visits []login.Visit
	page   string // the last one
	status int
}

func (h *human) Text(_ context.Context, q login.Question) (string, error) {
	h.asked = append(h.asked, q.Label+"|"+q.Hint+"|"+q.CreateURL)
	if h.text == "" {
		return "", errors.New("nobody is there")
	}
	return h.text, nil
}

func (h *human) Secret(_ context.Context, q login.Question) (secret.Text, error) {
	h.asked = append(h.asked, q.Label+"|"+q.Hint+"|"+q.CreateURL)
	if h.secret == "" && !q.Optional {
		return secret.Text{}, errors.New("nobody is there")
	}
	return secret.New(h.secret), nil
}

func (h *human) Visit(ctx context.Context, v login.Visit) error {
	h.mu.Lock()
	h.visits = append(h.visits, v)
	h.mu.Unlock()
	if h.approve != nil {
		h.approve(v)
		return nil
	}
	if h.browse != nil {
		return h.browse(ctx, v)
	}
	return h.follow(ctx, v)
}

// follow opens what a browser is started with and stays until the last page.
func (h *human) follow(ctx context.Context, v login.Visit) error {
	ctx = context.WithoutCancel(ctx) // a browser knows nothing of the login's end
	target, err := location(ctx, v.Open)
	if err != nil {
		return err
	}
	if target != v.URL {
		return fmt.Errorf("%s leads to %s, not to what was shown", v.Open, target)
	}
	h.status, h.page, err = h.w.server.Browse(ctx, v.URL)
	return err
}

// location returns where a URL redirects to.
func location(ctx context.Context, from string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	return resp.Header.Get("Location"), nil
}

// freePort returns a port that was free a moment ago.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// free checks that the port of a redirect URI can be listened on.
func free(t *testing.T, uri string) {
	t.Helper()
	u, err := url.Parse(uri)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", u.Host)
	if err != nil {
		t.Errorf("the port is not free: %v", err)
		return
	}
	l.Close()
}

// redirectURI is the one an authorization URL asks for.
func redirectURI(t *testing.T, v login.Visit) string {
	t.Helper()
	u, err := url.Parse(v.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query().Get("redirect_uri")
}

// formAnswer serves what the server would, form-encoded.
func formAnswer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		recorded := httptest.NewRecorder()
		next.ServeHTTP(recorded, r)
		var object map[string]any
		if err := json.Unmarshal(recorded.Body.Bytes(), &object); err != nil {
			panic(err)
		}
		form := url.Values{}
		for name, value := range object {
			form.Set(name, fmt.Sprint(value))
		}
		w.Header().Set("Content-Type", "application/x-www-form-urlencoded")
		_, _ = io.WriteString(w, form.Encode())
	})
}

// within fails a test that takes longer.
func within(t *testing.T, d time.Duration, what string, done <-chan error) error {
	t.Helper()
	select {
	case err := <-done:
		return err
	case <-time.After(d):
		t.Fatalf("%s takes more than %v", what, d)
		return nil
	}
}

func getHeader(ctx context.Context, target string) (status int, body string, header http.Header, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return 0, "", nil, err
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return 0, "", nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(data), resp.Header, err
}

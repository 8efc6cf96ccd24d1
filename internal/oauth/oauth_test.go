package oauth_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"authsome/internal/oauth"
	"authsome/internal/oauth/oauthtest"
	"authsome/internal/secret"
)

const issuer = "https://as.example"

var secretEqual = cmp.Comparer(func(a, b secret.Text) bool { return a.Equal(b) })

// roundTrip is a transport in a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// fixture is a server without a network, its metadata, and a client of it.
type fixture struct {
	*oauthtest.Server
	meta   oauth.Server
	client *oauth.Client
	log    *bytes.Buffer
}

func newFixture() *fixture {
	f := &fixture{Server: oauthtest.New(issuer), log: &bytes.Buffer{}}
	f.meta = metadata(issuer)
	f.client = &oauth.Client{
		Transport: f.Transport(),
		Log:       slog.New(slog.NewTextHandler(f.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	return f
}

func metadata(issuer string) oauth.Server {
	return oauth.Server{
		Issuer:                      issuer,
		AuthorizationEndpoint:       issuer + oauthtest.Authorize,
		TokenEndpoint:               issuer + oauthtest.Token,
		DeviceAuthorizationEndpoint: issuer + oauthtest.Device,
		RegistrationEndpoint:        issuer + oauthtest.Register,
		RevocationEndpoint:          issuer + oauthtest.Revoke,
	}
}

func text(s string) secret.Text { return secret.New(s) }

var public = oauth.App{ClientID: "app"}

// TestNothingLeaks runs every call, good and bad, and looks for the secrets in
// the log and in the errors.
func TestNothingLeaks(t *testing.T) {
	f := newFixture()
	f.AddApp(oauthtest.App{ID: "keyed", Secret: "secret-CANARY-1", AuthMethod: "client_secret_basic"})
	keyed := oauth.App{ClientID: "keyed", ClientSecret: text("secret-CANARY-1")}
	ctx := t.Context()
	_, refresh := f.Grant("keyed", "read")
	var errs []error
	for i, step := range []oauthtest.Step{
		oauthtest.Respond(400, "application/json", `{"error":"invalid_grant","error_description":"no `+refresh+`","error_uri":"https://as.example/?t=`+refresh+`"}`),
		oauthtest.Respond(400, "application/json", `{"error":"`+refresh+`"}`),
		oauthtest.Normal,
		oauthtest.Broken,
		oauthtest.Respond(500, "text/html", refresh),
		oauthtest.Respond(200, "text/html", refresh),
		oauthtest.Respond(200, "application/json", `{"access_token":"CANARY\u0000"}`),
		oauthtest.Respond(200, "application/json", `{"access_token":["CANARY"]}`),
		oauthtest.Respond(200, "application/json", `{"access_token":"CANARY","expires_in":"CANARY","scope":"CANARY\n"}`),
		oauthtest.Respond(200, "application/json", `{"access_token":"CANARY","access_token":"CANARY"}`),
		oauthtest.Respond(200, "application/json", `CANARY`),
	} {
		f.Script(oauthtest.Token, step)
		_, err := f.client.Refresh(ctx, f.meta, keyed, oauth.RefreshGrant{RefreshToken: text(refresh)})
		f.Script(oauthtest.Revoke, step)
		errs = append(errs, err, f.client.Revoke(ctx, f.meta, keyed, text(refresh), oauth.HintRefreshToken))
		if i < 2 {
			continue // the others were not sent what would be repeated
		}
		f.Script(oauthtest.Device, step)
		_, err = f.client.AuthorizeDevice(ctx, f.meta, keyed, nil, nil)
		f.Script(oauthtest.Register, step)
		_, err2 := f.client.Register(ctx, f.meta, oauth.Registration{}, text("initial-CANARY"))
		errs = append(errs, err, err2)
	}
	failed := 0
	for _, err := range errs {
		if err == nil {
			continue
		}
		failed++
		if strings.Contains(err.Error(), "CANARY") {
			t.Errorf("an error holds a secret: %v", err)
		}
	}
	if failed < 30 {
		t.Errorf("only %d calls failed", failed)
	}
	if strings.Contains(f.log.String(), "CANARY") || !strings.Contains(f.log.String(), "status=500") {
		t.Errorf("log: %s", f.log)
	}
}

// TestTransportErrors: what the peer sent is not repeated, what this machine
// says is, and the cause can be asked for.
func TestTransportErrors(t *testing.T) {
	f := newFixture()
	malformed := errors.New(`malformed MIME header line: {"access_token":"CANARY"}`)
	for _, test := range []struct {
		err  error
		want string
	}{
		{malformed, "token endpoint: as.example: no valid HTTP answer"},
		{context.DeadlineExceeded, "token endpoint: as.example: context deadline exceeded"},
	} {
		f.client.Transport = roundTrip(func(*http.Request) (*http.Response, error) { return nil, test.err })
		_, err := f.client.Refresh(t.Context(), f.meta, public, oauth.RefreshGrant{RefreshToken: text("r")})
		if err == nil || err.Error() != test.want || !errors.Is(err, test.err) {
			t.Errorf("got %v, want %s", err, test.want)
		}
	}
}

// endless is a body without an end, which counts what is read of it.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	e.read += len(p)
	return len(p), nil
}

func (e *endless) Close() error { return nil }

// TestBounds: an endless answer is left when it is too long, and one that
// breaks off is no answer.
func TestBounds(t *testing.T) {
	f := newFixture()
	for status, most := range map[int]int{200: 256 << 10, 400: 2 << 20} {
		body := &endless{}
		f.client.Transport = roundTrip(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: status, Header: http.Header{}, Body: body}, nil
		})
		_, err := f.client.Refresh(t.Context(), f.meta, public, oauth.RefreshGrant{RefreshToken: text("r")})
		if !errors.Is(err, oauth.ErrAnswer) || body.read > 2*most {
			t.Errorf("%d: %v after %d bytes", status, err, body.read)
		}
	}
	f.client.Transport = roundTrip(func(*http.Request) (*http.Response, error) {
		broken := io.MultiReader(strings.NewReader(`{"access_token":"CANARY"`), iotest.ErrReader(io.ErrUnexpectedEOF))
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(broken)}, nil
	})
	_, err := f.client.Refresh(t.Context(), f.meta, public, oauth.RefreshGrant{RefreshToken: text("r")})
	if err == nil || err.Error() != "token endpoint: as.example: unexpected EOF" {
		t.Error(err)
	}
}

func TestCallTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		f.Script(oauthtest.Token, oauthtest.Slow(time.Hour))
		start := time.Now()
		_, err := f.client.Refresh(t.Context(), f.meta, public, oauth.RefreshGrant{RefreshToken: text("r")})
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 30*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

// TestTLS: the certificate is verified by whatever transport is handed in, and
// the calls work over a real connection.
func TestTLS(t *testing.T) {
	s := oauthtest.StartTLS(t)
	trusting := &oauth.Client{Transport: s.Transport()}
	if _, err := trusting.Discover(t.Context(), s.Issuer); err != nil {
		t.Fatal(err)
	}
	strict := &oauth.Client{Transport: http.DefaultTransport}
	if _, err := strict.Discover(t.Context(), s.Issuer); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Fatalf("got %v", err)
	}
}

func TestCheckURL(t *testing.T) {
	for _, test := range []struct {
		url             string
		plain, loopback bool
	}{
		{"https://as.example/token", true, true},
		{"https://as.example:8443/token?tenant=1", true, true},
		{"https://[2001:db8::1]/token", true, true},
		{"http://127.0.0.1:9/token", false, true},
		{"http://[::1]:9/token", false, true},
		{"http://localhost/token", false, true},
		{"http://as.example/token", false, false},
		{"http://127.0.0.1.evil.test/", false, false},
		{"http://0.0.0.0/", false, false},
		{"https://user@as.example/", false, false},
		{"https://user:pass@as.example/", false, false},
		{"https://as.example/#f", false, false},
		{"https://as.example:0/", false, false},
		{"https://as.example:65536/", false, false},
		{"https://as.example:/", false, false},
		{"https:///token", false, false},
		{"https:as.example", false, false},
		{"//as.example/token", false, false},
		{"javascript:alert(1)", false, false},
		{"file:///etc/passwd", false, false},
		{"https://as.example/\u202egpj", false, false},
		{"https://аs.example/", false, false}, // Cyrillic a
		{"https://as.example/ x", false, false},
		{"https://as.example/\x1b[31m", false, false},
		{"https://as.example/\"><script>", false, false},
		{"https://as%2eexample/", false, false},
		{"-https://as.example/", false, false},
		{"", false, false},
		{"https://as.example/" + strings.Repeat("a", 5000), false, false},
	} {
		for _, loopback := range []bool{false, true} {
			err := (&oauth.Client{LoopbackHTTP: loopback}).CheckURL(test.url)
			want := test.plain && !loopback || test.loopback && loopback
			if (err == nil) != want || err != nil && !errors.Is(err, oauth.ErrURL) {
				t.Errorf("O012 %q, loopback %v: %v", test.url, loopback, err)
			}
		}
	}
}

// TestO012_cleartext_endpoints: no call goes to an endpoint without TLS.
func TestO012_cleartext_endpoints(t *testing.T) {
	f := newFixture()
	s, ctx := metadata("http://as.example"), t.Context()
	_, exchange := f.client.Exchange(ctx, s, public, oauth.CodeGrant{Code: text("c"), Verifier: oauth.NewVerifier()})
	_, refresh := f.client.Refresh(ctx, s, public, oauth.RefreshGrant{RefreshToken: text("r")})
	_, device := f.client.AuthorizeDevice(ctx, s, public, nil, nil)
	_, register := f.client.Register(ctx, s, oauth.Registration{}, secret.Text{})
	_, discover := f.client.Discover(ctx, s.Issuer)
	_, resource := f.client.DiscoverResource(ctx, s.Issuer)
	_, authorize := f.client.AuthorizationURL(s, public, oauth.AuthorizationRequest{})
	revoke := f.client.Revoke(ctx, s, public, text("r"), "")
	for i, err := range []error{exchange, refresh, device, register, discover, resource, authorize, revoke} {
		if !errors.Is(err, oauth.ErrURL) {
			t.Errorf("call %d: %v", i, err)
		}
	}
	if n := len(f.Requests("")); n != 0 {
		t.Errorf("%d requests left", n)
	}
}

// TestO011_redirects: no endpoint's redirect is followed.
func TestO011_redirects(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		f := newFixture()
		for _, path := range []string{oauthtest.Token, oauthtest.Device, oauthtest.Register, oauthtest.Revoke, oauthtest.Metadata, oauthtest.OpenID} {
			f.Script(path, oauthtest.Redirect(status, "https://evil.test"+path))
		}
		ctx := t.Context()
		_, refresh := f.client.Refresh(ctx, f.meta, public, oauth.RefreshGrant{RefreshToken: text("r")})
		_, device := f.client.AuthorizeDevice(ctx, f.meta, public, nil, nil)
		_, register := f.client.Register(ctx, f.meta, oauth.Registration{}, secret.Text{})
		_, discover := f.client.Discover(ctx, issuer)
		revoke := f.client.Revoke(ctx, f.meta, public, text("r"), "")
		for i, err := range []error{refresh, device, register, discover, revoke} {
			refused, ok := errors.AsType[*oauth.Error](err)
			if !ok || refused.Status != status || refused.Temporary() {
				t.Errorf("%d, call %d: %v", status, i, err)
			}
		}
		for _, r := range f.Requests("") {
			if r.Host != "as.example" {
				t.Errorf("%d: %s%s was asked", status, r.Host, r.Path)
			}
		}
		if n := len(f.Requests("")); n != 6 {
			t.Errorf("%d: %d requests, want one for each endpoint", status, n)
		}
	}
}

package oauth_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"authsome/internal/oauth"
	"authsome/internal/oauth/oauthtest"
)

// exampleDevice is the answer of RFC 8628 section 3.2.
const exampleDevice = `{
      "device_code": "GmRhmhcxhwAzkoEqiMEg_DnyEysNkuNhszIySk9eS",
      "user_code": "WDJB-MJHT",
      "verification_uri": "https://example.com/device",
      "verification_uri_complete": "https://example.com/device?user_code=WDJB-MJHT",
      "expires_in": 1800,
      "interval": 5
    }`

// TestDeviceRequests compares requests with RFC 8628 sections 3.1 and 3.4.
func TestDeviceRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		app := oauth.App{ClientID: "1406020730"}
		f.Script(oauthtest.Device, oauthtest.Respond(200, "application/json", exampleDevice))
		d, err := f.client.AuthorizeDevice(t.Context(), f.meta, app, []string{"example_scope"}, nil)
		want := oauth.DeviceAuthorization{
			DeviceCode: text("GmRhmhcxhwAzkoEqiMEg_DnyEysNkuNhszIySk9eS"), UserCode: "WDJB-MJHT",
			VerificationURI: "https://example.com/device", VerificationURIComplete: "https://example.com/device?user_code=WDJB-MJHT",
			Expiry: time.Now().Add(30 * time.Minute), Interval: 5 * time.Second,
		}
		if diff := cmp.Diff(want, d, secretEqual); diff != "" || err != nil {
			t.Fatalf("%v (-want +got):\n%s", err, diff)
		}
		if got := f.Requests(oauthtest.Device)[0].Body; got != "client_id=1406020730&scope=example_scope" {
			t.Errorf("authorization %s", got)
		}
		f.Script(oauthtest.Token, oauthtest.Respond(200, "application/json", exampleAnswer))
		token, err := f.client.PollDevice(t.Context(), f.meta, app, d, []string{"example_scope"})
		if err != nil || token.AccessToken.IsZero() || cmp.Diff([]string{"example_scope"}, token.Scopes) != "" {
			t.Fatal(token, err)
		}
		const body = "client_id=1406020730&device_code=GmRhmhcxhwAzkoEqiMEg_DnyEysNkuNhszIySk9eS&grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code"
		if got := f.Requests(oauthtest.Token)[0].Body; got != body {
			t.Errorf("token %s", got)
		}
	})
}

// TestDeviceJSON is the variant of mediated services: no client, polling by a
// JSON object with one member.
func TestDeviceJSON(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		f.meta.Quirks.DeviceTokenJSON = true
		d, err := f.client.AuthorizeDevice(t.Context(), f.meta, oauth.App{}, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		f.Approve(d.UserCode)
		token, err := f.client.PollDevice(t.Context(), f.meta, oauth.App{}, d, nil)
		if err != nil || !f.Active(token.AccessToken.Reveal()) {
			t.Fatal(err)
		}
		poll := f.Requests(oauthtest.Token)[0]
		if got := f.Requests(oauthtest.Device)[0].Body; got != "" {
			t.Errorf("authorization %s", got)
		}
		if poll.Body != `{"device_code":"`+d.DeviceCode.Reveal()+`"}` || poll.Header.Get("Content-Type") != "application/json" {
			t.Errorf("poll %s %s", poll.Header, poll.Body)
		}
	})
}

// polls returns when the token endpoint was asked, in seconds from start.
func (f *fixture) polls(start time.Time) []int {
	var at []int
	for _, r := range f.Requests(oauthtest.Token) {
		at = append(at, int(r.At.Sub(start)/time.Second))
	}
	return at
}

// TestO016_polling is the pace: what is asked when, and how it ends.
func TestO016_polling(t *testing.T) {
	pending := oauthtest.Refuse(400, "authorization_pending", "")
	slower := oauthtest.Refuse(400, "slow_down", "")
	broken := oauthtest.Step(oauthtest.Broken)
	for _, test := range []struct {
		name    string
		device  string // members of the device answer, beside the example's
		script  []oauthtest.Step
		approve bool
		polls   []int
		code    string // "" for success
		end     time.Duration
	}{
		{"approved", `"interval":5`, []oauthtest.Step{pending, pending}, true, []int{5, 10, 15}, "", 15 * time.Second},
		{"no interval", `"x":0`, []oauthtest.Step{pending}, true, []int{5, 10}, "", 10 * time.Second},
		{"interval 0", `"interval":0`, []oauthtest.Step{pending}, true, []int{5, 10}, "", 10 * time.Second},
		{"interval -1", `"interval":-1`, []oauthtest.Step{pending}, true, []int{5, 10}, "", 10 * time.Second},
		{"interval in words", `"interval":"often"`, []oauthtest.Step{pending}, true, []int{5, 10}, "", 10 * time.Second},
		{"interval 2", `"interval":2`, []oauthtest.Step{pending}, true, []int{2, 4}, "", 4 * time.Second},
		{"interval 10^9", `"interval":1000000000`, nil, true, nil, "expired_token", 600 * time.Second},
		{"slow_down", `"interval":5`, []oauthtest.Step{slower, pending, slower, pending}, true, []int{5, 15, 25, 40, 55}, "", 55 * time.Second},
		{"access_denied", `"interval":5`, []oauthtest.Step{pending, oauthtest.Refuse(400, "access_denied", "")}, true, []int{5, 10}, "access_denied", 10 * time.Second},
		{"expired_token", `"interval":5`, []oauthtest.Step{oauthtest.Refuse(400, "expired_token", "")}, true, []int{5}, "expired_token", 5 * time.Second},
		{"expires_in 1", `"expires_in":1`, nil, true, nil, "expired_token", time.Second},
		{"never approved", `"interval":200`, nil, false, []int{200, 400}, "expired_token", 600 * time.Second},
		{"network", `"interval":5`, []oauthtest.Step{broken, broken, oauthtest.Respond(503, "text/html", "x"), pending}, true, []int{5, 15, 35, 75, 80}, "", 80 * time.Second},
		{"slow endpoint", `"interval":5`, []oauthtest.Step{oauthtest.Slow(time.Hour)}, true, []int{5, 45}, "", 45 * time.Second},
		{"network to the end", `"interval":100`, []oauthtest.Step{broken, broken, broken, broken, broken, broken, broken}, true, []int{100, 200, 300, 400, 500}, "expired_token", 600 * time.Second},
		{"other refusal", `"interval":5`, []oauthtest.Step{oauthtest.Refuse(401, "invalid_client", "")}, true, []int{5}, "invalid_client", 5 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture()
				f.Script(oauthtest.Device, oauthtest.Edit(func(o map[string]any) {
					delete(o, "interval")
					name, value, _ := strings.Cut(test.device, ":")
					o[strings.Trim(name, `"`)] = jsonValue(value)
				}))
				start := time.Now()
				d, err := f.client.AuthorizeDevice(t.Context(), f.meta, public, nil, nil)
				if err != nil {
					t.Fatal(err)
				}
				if test.approve {
					f.Approve(d.UserCode)
				}
				f.Script(oauthtest.Token, test.script...)
				_, err = f.client.PollDevice(t.Context(), f.meta, public, d, nil)
				if oauth.Code(err) != test.code || (err == nil) != (test.code == "") {
					t.Errorf("ended with %v, want %q", err, test.code)
				}
				if diff := cmp.Diff(test.polls, f.polls(start)); diff != "" {
					t.Errorf("polls (-want +got):\n%s", diff)
				}
				if end := time.Since(start); end != test.end {
					t.Errorf("ended after %v, want %v", end, test.end)
				}
			})
		})
	}
}

// jsonValue reads the number or string of a test's table.
func jsonValue(s string) any {
	var n int
	if _, err := fmt.Sscan(s, &n); err == nil {
		return n
	}
	return strings.Trim(s, `"`)
}

// TestO016_malformed_token: what is no valid token ends the login; it is not
// asked for again.
func TestO016_malformed_token(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		d, err := f.client.AuthorizeDevice(t.Context(), f.meta, public, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		f.Script(oauthtest.Token, oauthtest.Respond(200, "application/json", `{"access_token":"A\n"}`))
		if _, err = f.client.PollDevice(t.Context(), f.meta, public, d, nil); !errors.Is(err, oauth.ErrAnswer) {
			t.Error(err)
		}
	})
}

func TestO016_denied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		d, err := f.client.AuthorizeDevice(t.Context(), f.meta, public, nil, nil)
		if err != nil || !f.Deny(d.UserCode) {
			t.Fatal(err)
		}
		if _, err = f.client.PollDevice(t.Context(), f.meta, public, d, nil); oauth.Code(err) != oauth.AccessDenied {
			t.Error(err)
		}
	})
}

// TestO027_device_cancel: the context ends the waiting at once.
func TestO027_device_cancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		d, err := f.client.AuthorizeDevice(t.Context(), f.meta, public, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, when := range []time.Duration{3 * time.Second, 7 * time.Second} { // while it sleeps, while it asks
			ctx, cancel := context.WithTimeout(t.Context(), when)
			f.Script(oauthtest.Token, oauthtest.Slow(time.Hour))
			start := time.Now()
			_, err = f.client.PollDevice(ctx, f.meta, public, d, nil)
			cancel()
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != when {
				t.Errorf("%v after %v", err, time.Since(start))
			}
		}
	})
}

// TestO016_answers is what a device authorization may hold.
func TestO016_answers(t *testing.T) {
	const rest = `"device_code":"D","user_code":"U-1","verification_uri":`
	for _, test := range []struct {
		name, body    string
		uri, complete string // "" for refused
	}{
		{"plain", rest + `"https://as.example/activate"`, "https://as.example/activate", ""},
		{"old name", `"device_code":"D","user_code":"U-1","verification_url":"https://as.example/activate"`, "https://as.example/activate", ""},
		{"complete", rest + `"https://as.example/a","verification_uri_complete":"https://as.example/a?c=U-1"`, "https://as.example/a", "https://as.example/a?c=U-1"},
		{"complete elsewhere", rest + `"https://as.example/a","verification_uri_complete":"https://evil.test/a"`, "https://as.example/a", ""},
		{"complete script", rest + `"https://as.example/a","verification_uri_complete":"javascript:alert(1)"`, "", ""},
		{"script", rest + `"javascript:alert(1)"`, "", ""},
		{"file", rest + `"file:///etc/passwd"`, "", ""},
		{"http", rest + `"http://as.example/"`, "", ""},
		{"user information", rest + `"https://github.com@evil.test/"`, "", ""},
		{"bidi", rest + `"https://as.example/\u202eelgoog"`, "", ""},
		{"escape", rest + `"https://as.example/\u001b[31m"`, "", ""},
		{"option", rest + `"--new-window"`, "", ""},
		{"number", rest + `7`, "", ""},
		{"missing", `"device_code":"D","user_code":"U-1"`, "", ""},
		{"no device code", `"user_code":"U-1","verification_uri":"https://as.example/"`, "", ""},
		{"no user code", `"device_code":"D","verification_uri":"https://as.example/"`, "", ""},
		{"user code with an escape", `"device_code":"D","user_code":"\u001b[8m","verification_uri":"https://as.example/"`, "", ""},
		{"user code with bidi", `"device_code":"D","user_code":"A\u202eB","verification_uri":"https://as.example/"`, "", ""},
		{"long user code", `"device_code":"D","user_code":"` + strings.Repeat("x", 100) + `","verification_uri":"https://as.example/"`, "", ""},
		{"device code with a line break", `"device_code":"D\n","user_code":"U","verification_uri":"https://as.example/"`, "", ""},
	} {
		f := newFixture()
		f.Script(oauthtest.Device, oauthtest.Respond(200, "application/json", "{"+test.body+"}"))
		d, err := f.client.AuthorizeDevice(t.Context(), f.meta, public, nil, nil)
		if d.VerificationURI != test.uri || d.VerificationURIComplete != test.complete || (err == nil) != (test.uri != "") || err != nil && !errors.Is(err, oauth.ErrAnswer) {
			t.Errorf("%s: %q %q %v", test.name, d.VerificationURI, d.VerificationURIComplete, err)
		}
	}
	f := newFixture()
	f.Script(oauthtest.Device, oauthtest.Respond(200, "application/json", `{"error":"device_flow_disabled"}`))
	if _, err := f.client.AuthorizeDevice(t.Context(), f.meta, public, nil, nil); oauth.Code(err) != "device_flow_disabled" {
		t.Error(err)
	}
	if _, err := f.client.AuthorizeDevice(t.Context(), f.meta, oauth.App{ClientID: "nobody"}, nil, nil); oauth.Code(err) != oauth.InvalidClient {
		t.Error(err)
	}
}

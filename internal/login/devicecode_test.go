package login_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"authsome/internal/login"
	"authsome/internal/oauth/oauthtest"
	"authsome/internal/provider"
)

const issuer = "https://auth.example.com"

func deviceWorld(t *testing.T) *world {
	w := worldOf(t, oauthtest.New(issuer))
	w.definition.Flow = provider.FlowDeviceCode
	return w
}

// polls returns the seconds between start and each poll.
func (w *world) polls(start time.Time) []int {
	var at []int
	for _, r := range w.server.Requests(oauthtest.Token) {
		at = append(at, int(r.At.Sub(start).Seconds()))
	}
	return at
}

func TestDeviceCode(t *testing.T) {
	pending := oauthtest.Refuse(400, "authorization_pending", "")
	said := func(code string) oauthtest.Step { // an error under status 200, in a form or not
		return oauthtest.Respond(200, "application/json", `{"error":"`+code+`","interval":10}`)
	}
	ready := whole
	ready.Flow = provider.FlowDeviceCode
	for name, c := range map[string]struct {
		change func(*world)
		script []oauthtest.Step
		decide func(*world, string)
		after  time.Duration // of the human
		polls  []int         // seconds after the start
		want   error
	}{
		"approved":           {after: 12 * time.Second, polls: []int{5, 10, 15}},
		"O016_slow_down":     {script: []oauthtest.Step{oauthtest.Refuse(400, "slow_down", ""), pending}, polls: []int{5, 15, 25}},
		"errors_with_200":    {script: []oauthtest.Step{said("authorization_pending"), said("slow_down")}, polls: []int{5, 10, 20}},
		"O016_denied":        {decide: func(w *world, code string) { w.server.Deny(code) }, polls: []int{5}, want: login.ErrDenied},
		"denied_with_200":    {script: []oauthtest.Step{said("access_denied")}, polls: []int{5}, want: login.ErrDenied},
		"O016_expired_token": {script: []oauthtest.Step{pending, said("expired_token")}, polls: []int{5, 10}, want: login.ErrTimeout},
		"own_code": {change: func(w *world) {
			w.definition.OAuth.TokenErrorCodes = map[string]string{"token_expired": "expired_token"}
		}, script: []oauthtest.Step{said("token_expired")}, polls: []int{5}, want: login.ErrTimeout},
		"form_answer":   {script: []oauthtest.Step{formAnswer}, polls: []int{5}},
		"O016_for_ever": {change: func(w *world) { w.server.DeviceTTL = 12 * time.Second }, after: time.Hour, polls: []int{5, 10}, want: login.ErrTimeout},
		"json": {
			change: func(w *world) {
				w.definition.OAuth.DeviceTokenRequest, w.definition.OAuth.ClientID, w.definition.OAuth.Scopes = "json", "", nil
			},
			polls: []int{5},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := deviceWorld(t)
				if c.change != nil {
					c.change(w)
				}
				decide := c.decide
				if decide == nil {
					decide = func(w *world, code string) { w.server.Approve(code) }
				}
				w.server.Script(oauthtest.Token, c.script...)
				h := &human{w: w, browse: func(ctx context.Context, v login.Visit) error {
					select {
					case <-time.After(c.after):
						decide(w, v.Code)
					case <-ctx.Done():
					}
					return nil
				}}
				start := time.Now()
				result, err := w.run(w.request(h))
				if !errors.Is(err, c.want) {
					t.Fatalf("error %v, want %v", err, c.want)
				}
				if diff := cmp.Diff(c.polls, w.polls(start)); diff != "" {
					t.Errorf("polls (-want +got):\n%s", diff)
				}
				if c.want == nil {
					want := ready
					if name == "json" {
						want.Scopes = nil
					}
					w.check(result, want)
				}
				v := h.visits[0]
				if v.URL != issuer+"/activate" || v.Open != v.URL+"?user_code="+v.Code || v.Code == "" || !v.Expiry.Equal(start.Add(w.server.DeviceTTL)) {
					t.Errorf("visit: %+v", v)
				}
			})
		})
	}
}

// TestDeviceFirst: what is wrong before the human is asked.
func TestDeviceFirst(t *testing.T) {
	for name, c := range map[string]struct {
		step oauthtest.Step
		want error
	}{
		"disabled":                {oauthtest.Respond(200, "application/json", `{"error":"device_flow_disabled"}`), nil},
		"client":                  {oauthtest.Refuse(401, "invalid_client", ""), login.ErrClient},
		"O016_javascript":         {oauthtest.Set("verification_uri", "javascript:alert(1)"), nil},
		"O016_http":               {oauthtest.Set("verification_uri", "http://evil.test/"), nil},
		"O016_user_information":   {oauthtest.Set("verification_uri", "https://a@evil.test/"), nil},
		"O016_bidi_user_code":     {oauthtest.Set("user_code", "AB\u202eCD"), nil},
		"O016_complete_elsewhere": {oauthtest.Set("verification_uri_complete", "file:///etc/passwd"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := deviceWorld(t)
				w.server.Script(oauthtest.Device, c.step)
				h := &human{w: w, approve: func(login.Visit) {}}
				_, err := w.run(w.request(h))
				if err == nil || c.want != nil && !errors.Is(err, c.want) || len(h.visits) != 0 {
					t.Errorf("error %v, %d visits", err, len(h.visits))
				}
			})
		})
	}
}

func TestDeviceCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := deviceWorld(t)
		ctx, cancel := context.WithCancel(t.Context())
		h := &human{w: w, browse: func(ctx context.Context, _ login.Visit) error {
			time.Sleep(7 * time.Second)
			cancel()
			return nil
		}}
		if _, err := login.Run(ctx, w.request(h)); !errors.Is(err, login.ErrCancelled) {
			t.Errorf("error %v", err)
		}
	})
}

// TestDeviceNetworkFault: a poll without an answer is repeated.
func TestDeviceNetworkFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := deviceWorld(t)
		w.server.Script(oauthtest.Token, oauthtest.Broken, oauthtest.Respond(http.StatusBadGateway, "text/html", "<html>"))
		h := &human{w: w, approve: func(v login.Visit) { w.server.Approve(v.Code) }}
		start := time.Now()
		if _, err := w.run(w.request(h)); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff([]int{5, 15, 35}, w.polls(start)); diff != "" {
			t.Errorf("polls (-want +got):\n%s", diff)
		}
		if strings.Contains(w.log.String(), h.visits[0].Code) {
			t.Errorf("the log holds the user code: %s", w.log.String())
		}
	})
}

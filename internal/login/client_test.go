package login_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"authsome/internal/login"
	"authsome/internal/oauth/oauthtest"
	"authsome/internal/provider"
)

// TestClientAsked: where no client is at hand, the human is told what to
// register, and only what is needed is asked for.
func TestClientAsked(t *testing.T) {
	for name, c := range map[string]struct {
		flow, method string
		text, secret string // answers
		asked        []string
		client       oauthtest.App
		want         error
	}{
		"public": {
			flow: provider.FlowPKCE, method: "none", text: "mine",
			asked:  []string{"Client ID|Its redirect URL is http://127.0.0.1/callback|https://acme.test/apps"},
			client: oauthtest.App{ID: "mine", AuthMethod: "none"},
		},
		"optional_secret": {
			flow: provider.FlowPKCE, text: "mine", secret: "CANARY-secret",
			asked: []string{
				"Client ID|Its redirect URL is http://127.0.0.1/callback|https://acme.test/apps",
				"Client secret|Leave it empty if the app has none.|",
			},
			client: oauthtest.App{ID: "mine", Secret: "CANARY-secret", AuthMethod: "client_secret_basic"},
		},
		"secret_left_out": {
			flow: provider.FlowPKCE, text: "mine",
			asked: []string{
				"Client ID|Its redirect URL is http://127.0.0.1/callback|https://acme.test/apps",
				"Client secret|Leave it empty if the app has none.|",
			},
			client: oauthtest.App{ID: "mine", AuthMethod: "none"},
		},
		"device": {
			flow: provider.FlowDeviceCode, method: "client_secret_post", text: "mine",
			asked:  []string{"Client ID|Allow it the device flow.|https://acme.test/apps"},
			client: oauthtest.App{ID: "mine", AuthMethod: "none"},
		},
		"client_credentials": {
			flow: provider.FlowClientCredentials, text: "mine", secret: "CANARY-secret",
			asked:  []string{"Client ID||https://acme.test/apps", "Client secret||"},
			client: oauthtest.App{ID: "mine", Secret: "CANARY-secret", AuthMethod: "client_secret_basic"},
		},
		"nobody":    {flow: provider.FlowPKCE, asked: []string{"Client ID|Its redirect URL is http://127.0.0.1/callback|https://acme.test/apps"}, want: login.ErrClient},
		"malformed": {flow: provider.FlowDeviceCode, text: "a b", asked: []string{"Client ID|Allow it the device flow.|https://acme.test/apps"}, want: login.ErrClient},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			o := w.definition.OAuth
			o.ClientID, o.ClientURL, o.Redirect, o.TokenEndpointAuthMethod = "", "https://acme.test/apps", provider.RedirectLoopback, c.method
			h := &human{w: w, text: c.text, secret: c.secret}
			if c.flow == provider.FlowDeviceCode {
				w.server.Interval = 1
				h.approve = func(v login.Visit) { w.server.Approve(v.Code) }
			}
			w.server.AddApp(c.client)
			req := w.request(h)
			req.Flow = c.flow
			result, err := w.run(req)
			if !errors.Is(err, c.want) {
				t.Fatalf("error %v, want %v", err, c.want)
			}
			if diff := cmp.Diff(c.asked, h.asked); diff != "" {
				t.Errorf("asked (-want +got):\n%s", diff)
			}
			if c.want == nil && (result.Client == nil || result.Client.ID != "mine" || result.Client.Secret.Reveal() != c.client.Secret) {
				t.Errorf("client to keep: %+v", result.Client)
			}
			if name == "nobody" && (!strings.Contains(err.Error(), "--client-id") || !strings.Contains(err.Error(), "https://acme.test/apps")) {
				t.Errorf("error does not say how to give a client: %v", err)
			}
		})
	}
}

// TestUnavailable: a flow without data in the definition, or without a network.
func TestUnavailable(t *testing.T) {
	w := newWorld(t)
	bare := *w.definition
	bare.OAuth = &provider.OAuth{}
	none := bare
	none.OAuth = nil
	for _, flow := range login.Flows() {
		for _, definition := range []*provider.Definition{&bare, &none} {
			if flow == provider.FlowAPIKey {
				continue
			}
			req := w.request(&human{w: w})
			req.Definition, req.Flow = definition, flow
			if _, err := w.run(req); !errors.Is(err, login.ErrFlow) {
				t.Errorf("%s: error %v", flow, err)
			}
		}
	}
	req := w.request(&human{w: w})
	req.Flow = "other"
	if _, err := w.run(req); !errors.Is(err, login.ErrFlow) {
		t.Errorf("unknown flow: error %v", err)
	}
	req.Flow, req.Network = "", login.Network{}
	if _, err := w.run(req); err == nil {
		t.Error("a login without a network succeeded")
	}
}

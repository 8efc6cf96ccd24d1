package broker_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"authsome/internal/broker"
)

// TestAuthorizeWebSocket: W002 and W011, and what the connection of a message
// is.
func TestAuthorizeWebSocket(t *testing.T) {
	w := newWorld(t)
	w.define("alpha", `"alpha.test.example"`, bearer+
		`,{"kind":"subprotocol","value":"key.{api_key}"},{"kind":"message","name":"token","value":"{api_key}"}`)
	w.login("alpha", "", "alpha-key")
	w.login("alpha", "work", "alpha-work-key")
	handshake := func(fields ...string) *http.Request {
		return get("https://alpha.test.example/ws", append(fields, "Sec-Websocket-Key", "x")...)
	}
	session := w.session(broker.Selection{})
	for name, test := range map[string]struct {
		request *http.Request
		want    outcome
		said    string // what becomes of a message
	}{
		"header": {handshake(), outcome{Header: http.Header{"Authorization": {"Bearer alpha-key"}, "Sec-Websocket-Key": {"x"}}, Use: "alpha/default"}, `{"token":"alpha-key"}`},
		"W002 subprotocol": {
			handshake("Sec-Websocket-Protocol", "chat, key.authsome-proxy-managed"),
			outcome{Header: http.Header{"Sec-Websocket-Protocol": {"chat, key.alpha-key"}, "Sec-Websocket-Key": {"x"}}, Use: "alpha/default"}, `{"token":"alpha-key"}`},
		"W002 names a connection": {
			handshake("Sec-Websocket-Protocol", "key.authsome-proxy-managed:work"),
			outcome{Header: http.Header{"Sec-Websocket-Protocol": {"key.alpha-work-key"}, "Sec-Websocket-Key": {"x"}}, Use: "alpha/work"}, `{"token":"alpha-work-key"}`},
		"W002 names one that is not there": {
			handshake("Sec-Websocket-Protocol", "key.authsome-proxy-managed:nope"), outcome{Denied: broker.CodeNoConnection}, ""},
		"W002 another prefix": {
			handshake("Sec-Websocket-Protocol", "chat, other.authsome-proxy-managed"),
			outcome{Header: http.Header{"Authorization": {"Bearer alpha-key"}, "Sec-Websocket-Protocol": {"chat"}, "Sec-Websocket-Key": {"x"}}, Use: "alpha/default"}, `{"token":"alpha-key"}`},
		"W011 own page": {
			handshake("Origin", "https://app.test.example"),
			outcome{Header: http.Header{"Authorization": {"Bearer alpha-key"}, "Sec-Websocket-Key": {"x"}, "Origin": {"https://app.test.example"}}, Use: "alpha/default"}, `{"token":"alpha-key"}`},
		"W011 foreign page": {handshake("Origin", "https://evil.example.org"), outcome{Denied: broker.CodeOrigin}, ""},
		"W011 foreign page with the placeholder": {
			handshake("Origin", "https://evil.example.org", "Sec-Websocket-Protocol", "key.authsome-proxy-managed"), outcome{Denied: broker.CodeOrigin}, ""},
		"no websocket": {
			get("https://alpha.test.example/", "Origin", "https://evil.example.org"),
			outcome{Header: http.Header{"Authorization": {"Bearer alpha-key"}, "Origin": {"https://evil.example.org"}}, Use: "alpha/default"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			use, said := session.Authorize, ""
			again := test.request.Clone(t.Context())
			if diff := cmp.Diff(test.want, authorize(session, test.request)); diff != "" {
				t.Error(diff)
			}
			if u, err := use(again); err == nil && u.Message != nil {
				said = string(u.Message([]byte(`{"token":"authsome-proxy-managed"}`)))
			}
			if said != test.said {
				t.Errorf("message: %s", said)
			}
		})
	}
}

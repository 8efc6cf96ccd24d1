//go:build linux

package clients_test

import (
	"encoding/json"
	"io"
	"net/http"
	"testing"
)

// TestClient_sdk: the vendors' own Node.js SDKs, set up as their pages say for
// proxies, with the placeholder in the variable where they look for a key.
func TestClient_sdk(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	openai, anthropic := w.Canary("openai"), w.CanaryAs("anthropic", "sk-ant-%s")
	w.login(t, "openai", openai)
	w.login(t, "anthropic", anthropic)
	w.Require("api.openai.com", openai)
	w.Require("api.anthropic.com", anthropic)
	w.Handle("api.anthropic.com/v1/messages", http.HandlerFunc(answerMessage))
	for _, c := range []struct{ name, host, target, field, value string }{
		{"node-openai-chat", "api.openai.com", "/v1/chat/completions", "Authorization", "Bearer " + openai},
		{"node-anthropic", "api.anthropic.com", "/v1/messages", "X-Api-Key", anthropic},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := w.ok(t, "run", "--", "node", absolute(t, "node/client.mjs"), c.name)
			equal(t, "output", r.stdout, "squeak\n")
			got := w.requests(c.host)
			if len(got) != 1 {
				t.Fatalf("%d requests: %v", len(got), got)
			}
			equal(t, "target", got[0].Target, c.target)
			equal(t, "CONNECT target", got[0].Via, c.host+":443")
			equal(t, "values of "+c.field, len(got[0].Values(c.field)), 1)
			equal(t, c.field, got[0].Get(c.field), c.value)
			contains(t, "body", string(got[0].Body), "Say squeak")
		})
	}
}

// answerMessage answers as the Messages API does.
func answerMessage(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"id": "msg_lab", "type": "message", "role": "assistant", "model": "lab-1", "stop_reason": "end_turn", "stop_sequence": nil,
		"content": []any{map[string]string{"type": "text", "text": "squeak"}},
		"usage":   map[string]int{"input_tokens": 3, "output_tokens": 2},
	})
}

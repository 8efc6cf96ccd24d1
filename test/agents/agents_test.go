//go:build linux && amd64

package agents_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"authsome/test/lab"
)

const word = "squeak"

// prompt is what each agent is asked.
const prompt = "Say squeak and nothing else."

// say has an agent answer the prompt under `authsome run`. What the logins
// sent is forgotten.
func (w *world) say(t *testing.T, command ...string) {
	t.Helper()
	w.Reset()
	r := w.authsome(t, "", append([]string{"run", "--"}, command...)...)
	if r.err != nil || !strings.Contains(r.stdout, word) {
		t.Fatalf("%v\nrequests: %v", r, w.Requests())
	}
}

// authenticated fails the test unless the host got the key with every request,
// once, in this field, and never the placeholder.
func (w *world) authenticated(t *testing.T, host, field, want, key string) {
	t.Helper()
	requests := w.requests(host)
	if len(requests) == 0 {
		t.Errorf("nothing reached %s", host)
	}
	for _, r := range requests {
		if got := strings.Join(r.Values(field), "|"); got != want {
			t.Errorf("%v: %s is not what it should be (%d characters)", r, field, len(got))
		}
		if n := strings.Count(head(r), key); n != 1 {
			t.Errorf("%v: the key is there %d times", r, n)
		}
		if strings.Contains(head(r), placeholder) {
			t.Errorf("%v: it has the placeholder", r)
		}
	}
}

// untouched fails the test when a request at another host than the models'
// carries a secret, or one at GitHub anything at all.
func (w *world) untouched(t *testing.T, models string) {
	t.Helper()
	for _, r := range w.Requests() {
		if r.Host == models {
			continue
		}
		w.SearchBytes(t, r.String(), []byte(head(r)+string(r.Body)))
		if strings.HasSuffix(r.Host, "github.com") && (strings.Contains(head(r), placeholder) || r.Get("Authorization") != "") {
			t.Errorf("%v: it is not anonymous", r)
		}
	}
}

func head(r lab.Record) string { return fmt.Sprint(r.Target, r.Fields) }

// asked fails the test unless the prompt came to the model.
func (w *world) asked(t *testing.T, host, path string) {
	t.Helper()
	for _, r := range w.requests(host) {
		if strings.HasPrefix(r.Target, path) && strings.Contains(string(r.Body), prompt) {
			return
		}
	}
	t.Errorf("the prompt did not come to %s%s: %v", host, path, w.requests(host))
}

// TestAgents runs each agent once, Codex twice. With AGENTS_FULL it runs those
// too that take minutes: Copilot unpacks itself into every new home.
func TestAgents(t *testing.T) {
	tests := map[string]func(*testing.T){
		"claude": claude, "codex websocket": codexWebSocket, "codex events": codexEvents, "gemini": geminiCLI, "opencode": opencode,
	}
	if os.Getenv("AGENTS_FULL") != "" {
		tests["copilot"] = copilot
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t)
		})
	}
}

func claude(t *testing.T) {
	const host = "api.anthropic.com"
	w := newWorld(t)
	key := w.login(t, "anthropic", "sk-ant-%s")
	w.login(t, "github", "ghu_%s")
	w.Handle(host+"/v1/messages", stream(messages(word)...))
	w.say(t, installed(t, "@anthropic-ai/claude-code-linux-x64/claude"), "-p", prompt)
	w.authenticated(t, host, "X-Api-Key", key, key)
	w.asked(t, host, "/v1/messages")
	w.untouched(t, host)
}

func codexWebSocket(t *testing.T) {
	var asked atomic.Int64
	codex(t, conversation(word, func(ask []byte) {
		if bytes.Contains(ask, []byte(prompt)) {
			asked.Add(1)
		}
	}))
	if asked.Load() == 0 {
		t.Error("the prompt did not come by websocket")
	}
}

func codexEvents(t *testing.T) {
	w := codex(t, onlyPOST(stream(responses(word)...)))
	w.asked(t, "api.openai.com", "/v1/responses")
}

// codex answers when it has been asked, without a key, for the plugins that
// Codex looks for at every start: GitHub's token is not for them.
func codex(t *testing.T, answer http.Handler) *world {
	t.Helper()
	const host, plugins = "api.openai.com", "/repos/openai/plugins"
	w := newWorld(t)
	key := w.login(t, "openai", "sk-%s")
	w.login(t, "github", "ghu_%s")
	w.Handle(host+"/v1/responses", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.WaitFor(t, patience, func(r lab.Record) bool { return r.Host == "api.github.com" && r.Target == plugins })
		answer.ServeHTTP(rw, r)
	}))
	w.say(t, installed(t, ".bin/codex"), "exec", "--skip-git-repo-check", prompt)
	w.authenticated(t, host, "Authorization", "Bearer "+key, key)
	w.untouched(t, host)
	if first := w.requests(host)[0]; first.Method != http.MethodGet || !strings.EqualFold(first.Get("Upgrade"), "websocket") {
		t.Errorf("it did not begin with a websocket: %v", first)
	}
	return w
}

// onlyPOST is a server without websockets.
func onlyPOST(answer http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.WriteHeader(http.StatusUpgradeRequired)
			return
		}
		answer.ServeHTTP(w, r)
	})
}

func geminiCLI(t *testing.T) {
	const host = "generativelanguage.googleapis.com"
	w := newWorld(t)
	key := w.login(t, "gemini", "AIza%s")
	w.login(t, "github", "ghu_%s")
	w.Handle(host+"/", gemini(word))
	w.say(t, installed(t, ".bin/gemini"), "--skip-trust", "--model", "gemini-lab-1", "-p", prompt)
	w.authenticated(t, host, "X-Goog-Api-Key", key, key)
	w.asked(t, host, "/v1beta/models/gemini-lab-1:")
	w.untouched(t, host)
}

func opencode(t *testing.T) {
	const host = "api.anthropic.com"
	w := newWorld(t)
	key := w.login(t, "anthropic", "sk-ant-%s")
	w.login(t, "github", "ghu_%s")
	w.Handle("models.opencode.ai/api.json", document(catalogue()))
	w.Handle(host+"/v1/messages", stream(messages(word)...))
	w.say(t, installed(t, "opencode-linux-x64/bin/opencode"), "run", "--model", "anthropic/claude-lab-1", prompt)
	w.authenticated(t, host, "X-Api-Key", key, key)
	w.asked(t, host, "/v1/messages")
	w.untouched(t, host)
}

// copilot has a token of its own, which also goes where its clients ask
// api.github.com about themselves; GitHub's goes nowhere.
func copilot(t *testing.T) {
	const plan, github, releases = "api.individual.githubcopilot.com", "api.github.com", "/repos/github/copilot-cli/releases"
	w := newWorld(t)
	key := w.login(t, "github-copilot", "github_pat_%s")
	w.login(t, "github", "ghu_%s")
	w.Handle(github+"/copilot_internal/user", document(object{
		"login": "labrat", "copilot_plan": "individual", "chat_enabled": true, "endpoints": object{"api": "https://" + plan},
	}))
	w.Handle(plan+"/models", document(copilotModels()))
	w.Handle(plan+"/chat/completions", stream(chunks(word)...))
	w.say(t, installed(t, "../../copilot/node_modules/@github/copilot-linux-x64/copilot"), "-p", prompt, "--model", "lab-1")
	w.asked(t, plan, "/chat/completions")
	for _, r := range w.Requests() {
		own := r.Host == plan || r.Host == github && (strings.HasPrefix(r.Target, "/copilot_internal/") || strings.HasPrefix(r.Target, releases))
		switch got := r.Get("Authorization"); {
		case own && (got != "Bearer "+key || strings.Count(head(r), key) != 1 || strings.Contains(head(r), placeholder)):
			t.Errorf("%v: the key is not there once, and alone", r)
		case !own && got != "":
			t.Errorf("%v: it is not anonymous", r)
		}
	}
}

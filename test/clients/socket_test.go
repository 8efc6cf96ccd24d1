//go:build linux

package clients_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/websocket"

	"authsome/test/lab"
)

const echoes = "wss://api.openai.com/v1/echo"

// socketClients are the clients that a websocket's echo is tested with.
func socketClients(t *testing.T) map[string][]string {
	node, python := absolute(t, "node/socket.mjs"), absolute(t, "python/socket_client.py")
	return map[string][]string{
		"ws-echo":               {"node", node},
		"undici-echo":           {"node", node},
		"websockets-echo":       {"/usr/bin/python3", python},
		"websocket-client-echo": {"/usr/bin/python3", python},
	}
}

// TestSocket_W001: 1,000 messages of random sizes go there and back, by the
// libraries people use, and the handshake alone carries the key.
func TestSocket_W001(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := w.Canary("openai")
	w.login(t, "openai", key)
	w.Require("api.openai.com", key)
	w.Handle("api.openai.com/v1/echo", websocket.Server{Handler: echoMessages})
	for name, command := range socketClients(t) {
		t.Run(name, func(t *testing.T) {
			r := w.ok(t, append(append([]string{"run", "--"}, command...), name, echoes)...)
			equal(t, "output", r.stdout, "1000 messages, closed with 1000\n")
			got := w.socket(t, name)
			equal(t, "Authorization", strings.Join(got.Values("Authorization"), ", "), "Bearer "+key)
			equal(t, "extensions", got.Get("Sec-WebSocket-Extensions"), "")
			equal(t, "keys", strings.Count(fmt.Sprint(got.Target, got.Fields), key), 1)
		})
	}
	t.Run("W011_foreign_page", func(t *testing.T) {
		before := len(w.Requests())
		r := w.ok(t, "run", "--", "node", absolute(t, "node/socket.mjs"), "ws-origin", echoes)
		equal(t, "output", r.stdout, "403 cross_site_websocket\n")
		equal(t, "requests", len(w.Requests()), before)
		contains(t, "audit", w.ok(t, "log", "-n", "5").stdout, "cross_site_websocket")
	})
}

// socket is the one handshake of the client.
func (w *world) socket(t *testing.T, name string) lab.Record {
	t.Helper()
	found := slices.DeleteFunc(w.Requests(), func(r lab.Record) bool { return r.Get("Lab-Client") != name })
	if len(found) != 1 {
		t.Fatalf("%d handshakes of %s", len(found), name)
	}
	return found[0]
}

// echoMessages keeps each message whole, and its kind.
func echoMessages(ws *websocket.Conn) {
	defer ws.Close() // with a Close frame
	kept := websocket.Codec{
		Marshal:   func(v any) ([]byte, byte, error) { m := v.(*message); return m.data, m.kind, nil },
		Unmarshal: func(data []byte, kind byte, v any) error { *v.(*message) = message{data, kind}; return nil },
	}
	for {
		var m message
		if kept.Receive(ws, &m) != nil || kept.Send(ws, &m) != nil {
			return
		}
	}
}

type message struct {
	data []byte
	kind byte
}

// TestSocket_W002: a session with OpenAI's SDK, in both of its ways: a header,
// and the subprotocol for runtimes whose WebSocket takes none. The upstream
// sees the key once, and the events flow: each is sent when the one before has
// been answered.
func TestSocket_W002(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := w.Canary("openai")
	w.login(t, "openai", key)
	w.Handle("api.openai.com/v1/realtime", websocket.Server{Handshake: chooseProtocol, Handler: func(ws *websocket.Conn) { _ = realtime(ws, key) }})
	for name, want := range map[string][2]string{
		"openai-ws":        {"Bearer " + key, ""},
		"openai-websocket": {"", "realtime, openai-insecure-api-key." + key},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(w.Requests())
			r := w.ok(t, "run", "--", "node", absolute(t, "node/socket.mjs"), name)
			equal(t, "output", r.stdout, "squeak squeak "+(placeholder + strings.Repeat("*", len(key)))[:len(key)]+"\n")
			all := w.Requests()[before:]
			equal(t, "requests", len(all), 1)
			got := all[0]
			equal(t, "target", got.Target, "/v1/realtime?model=lab-1")
			equal(t, "Authorization", strings.Join(got.Values("Authorization"), "|"), want[0])
			equal(t, "protocols", strings.Join(got.Values("Sec-WebSocket-Protocol"), "|"), want[1])
			equal(t, "keys", strings.Count(fmt.Sprint(got.Target, got.Fields), key), 1)
		})
	}
}

// chooseProtocol answers with the member that holds the key, where there is
// one: what a careless server does. The client must recognise it.
func chooseProtocol(config *websocket.Config, _ *http.Request) error {
	if len(config.Protocol) > 1 {
		config.Protocol = config.Protocol[1:2]
	}
	return nil
}

// realtime is the server's side of a session. It also repeats the key.
func realtime(ws *websocket.Conn, key string) error {
	defer ws.Close() // with a Close frame
	events := []string{
		`{"type":"session.created","session":{"type":"realtime"}}`,
		`{"type":"session.updated","session":{"type":"realtime"}}`,
		`{"type":"response.output_text.delta","delta":"squeak "}`,
		`{"type":"response.output_text.delta","delta":"squeak "}`,
		`{"type":"response.output_text.delta","delta":"` + key + `"}`,
		`{"type":"response.done","response":{"status":"completed"}}`,
	}
	asks := []string{"session.update", "response.create", "conversation.item.create", "conversation.item.create", "conversation.item.create"}
	for i, event := range events {
		if err := websocket.Message.Send(ws, event); err != nil {
			return err
		}
		if i == len(asks) {
			break
		}
		var ask struct{ Type string }
		if err := websocket.JSON.Receive(ws, &ask); err != nil || ask.Type != asks[i] {
			return fmt.Errorf("%s: %w", ask.Type, err)
		}
	}
	_, err := io.Copy(io.Discard, ws) // until the client closes
	return err
}

// TestSocket_message: a service that authenticates with the first message.
func TestSocket_message(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := w.Canary("home")
	w.defineWith(t, "home", "home.example.org", `[{"kind": "header", "name": "Authorization", "value": "Bearer {api_key}"},
		{"kind": "message", "name": "access_token", "value": "{api_key}"}]`)
	w.login(t, "home", key)
	auth := make(chan error, 1)
	w.Handle("home.example.org/api/websocket", websocket.Server{Handler: func(ws *websocket.Conn) { auth <- authenticate(ws, key) }})
	r := w.ok(t, "run", "--", "/usr/bin/python3", absolute(t, "python/socket_client.py"), "auth", "wss://home.example.org/api/websocket")
	equal(t, "output", r.stdout, `{"type":"auth_ok"}`+"\n")
	if err := <-auth; err != nil {
		t.Error(err)
	}
}

func authenticate(ws *websocket.Conn, key string) error {
	if err := websocket.Message.Send(ws, `{"type":"auth_required"}`); err != nil {
		return err
	}
	var auth map[string]string
	if err := websocket.JSON.Receive(ws, &auth); err != nil {
		return err
	}
	if auth["access_token"] != key {
		return errors.New("the first message holds another token")
	}
	return websocket.Message.Send(ws, `{"type":"auth_ok"}`)
}

// TestStream_H020: the SDKs' streams in lock-step. The upstream sends an event
// when the client has told it, by a request of its own, that it has read the
// one before. Each event ends like the beginning of the key.
func TestStream_H020(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	openai, anthropic := w.Canary("openai"), w.CanaryAs("anthropic", "sk-ant-%s")
	w.login(t, "openai", openai)
	w.login(t, "anthropic", anthropic)
	read := make(chan bool)
	acknowledge := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case read <- true:
		case <-r.Context().Done():
		}
	})
	for name, service := range map[string]struct {
		host, path, key string
		events          []string
	}{
		"openai-chat":      {"api.openai.com", "/v1/chat/completions", openai, chatEvents(openai[:20])},
		"openai-responses": {"api.openai.com", "/v1/responses", openai, responseEvents(openai[:20])},
		"anthropic":        {"api.anthropic.com", "/v1/messages", anthropic, messageEvents(anthropic[:20])},
	} {
		w.Handle(service.host+"/v1/read", acknowledge)
		w.Handle(service.host+service.path, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", "text/event-stream")
			for _, event := range service.events {
				_, _ = io.WriteString(w, event)
				_ = http.NewResponseController(w).Flush()
				select {
				case <-read:
				case <-r.Context().Done():
					return
				}
			}
		}))
		t.Run(name, func(t *testing.T) {
			r := w.ok(t, "run", "--", "node", absolute(t, "node/stream.mjs"), name)
			equal(t, "output", r.stdout, strings.Repeat(service.key[:20], 5)+"\n")
		})
	}
}

func event(name string, v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	if name != "" {
		name = "event: " + name + "\n"
	}
	return name + "data: " + string(data) + "\n\n"
}

type object = map[string]any

func chatEvents(text string) []string {
	var events []string
	for range 5 {
		events = append(events, event("", object{"id": "c", "object": "chat.completion.chunk", "choices": []any{object{"index": 0, "delta": object{"content": text}}}}))
	}
	return events
}

func responseEvents(text string) []string {
	var events []string
	for range 5 {
		events = append(events, event("response.output_text.delta", object{"type": "response.output_text.delta", "delta": text}))
	}
	return events
}

func messageEvents(text string) []string {
	var events []string
	for range 5 {
		events = append(events, event("content_block_delta", object{"type": "content_block_delta", "index": 0, "delta": object{"type": "text_delta", "text": text}}))
	}
	return events
}

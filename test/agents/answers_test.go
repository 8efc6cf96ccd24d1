//go:build linux && amd64

package agents_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"golang.org/x/net/websocket"
)

type object = map[string]any

// event is one server-sent event.
func event(v object) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	name, _ := v["type"].(string)
	if name != "" {
		name = "event: " + name + "\n"
	}
	return name + "data: " + string(data) + "\n\n"
}

// stream answers with events, whatever the request asks.
func stream(events ...object) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		for _, e := range events {
			_, _ = io.WriteString(w, event(e))
		}
	})
}

// messages is how the Messages API says a word.
func messages(word string) []object {
	return []object{
		{"type": "message_start", "message": object{
			"id": "msg_lab", "type": "message", "role": "assistant", "model": "claude-lab-1", "content": []any{},
			"stop_reason": nil, "stop_sequence": nil, "usage": object{"input_tokens": 3, "output_tokens": 1},
		}},
		{"type": "content_block_start", "index": 0, "content_block": object{"type": "text", "text": ""}},
		{"type": "content_block_delta", "index": 0, "delta": object{"type": "text_delta", "text": word}},
		{"type": "content_block_stop", "index": 0},
		{"type": "message_delta", "delta": object{"stop_reason": "end_turn", "stop_sequence": nil}, "usage": object{"output_tokens": 2}},
		{"type": "message_stop"},
	}
}

// responses is how the Responses API says a word, as events or as messages of
// a websocket.
func responses(word string) []object {
	item := object{
		"type": "message", "id": "msg_lab", "role": "assistant", "status": "completed",
		"content": []any{object{"type": "output_text", "text": word, "annotations": []any{}}},
	}
	usage := object{
		"input_tokens": 3, "output_tokens": 2, "total_tokens": 5,
		"input_tokens_details": object{"cached_tokens": 0}, "output_tokens_details": object{"reasoning_tokens": 0},
	}
	return []object{
		{"type": "response.created", "response": object{"id": "resp_lab", "created_at": 1700000000, "model": "lab-1", "status": "in_progress"}},
		{"type": "response.output_item.added", "output_index": 0, "item": object{"type": "message", "id": "msg_lab", "role": "assistant", "content": []any{}}},
		{"type": "response.output_text.delta", "item_id": "msg_lab", "output_index": 0, "content_index": 0, "delta": word},
		{"type": "response.output_item.done", "output_index": 0, "item": item},
		{"type": "response.completed", "response": object{
			"id": "resp_lab", "created_at": 1700000000, "model": "lab-1", "status": "completed", "output": []any{item}, "usage": usage,
		}},
	}
}

// conversation answers each message of a websocket as the Responses API does,
// after it was shown to see.
func conversation(word string, see func(ask []byte)) http.Handler {
	return websocket.Server{Handler: func(ws *websocket.Conn) {
		defer ws.Close()
		for {
			var ask json.RawMessage
			if websocket.JSON.Receive(ws, &ask) != nil {
				return
			}
			see(ask)
			for _, e := range responses(word) {
				if websocket.JSON.Send(ws, e) != nil {
					return
				}
			}
		}
	}}
}

// generated is how the Gemini API says a word: one event.
func generated(word string) object {
	return object{
		"candidates": []any{object{
			"index": 0, "finishReason": "STOP", "content": object{"role": "model", "parts": []any{object{"text": word}}},
		}},
		"usageMetadata": object{"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5},
		"modelVersion":  "gemini-lab-1", "responseId": "lab",
	}
}

// gemini answers each method of a model.
func gemini(word string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, ":streamGenerateContent") {
			stream(generated(word)).ServeHTTP(w, r)
			return
		}
		document(generated(word)).ServeHTTP(w, r)
	})
}

// catalogue is the list of models that OpenCode fetches at its start.
func catalogue() object {
	model := object{
		"id": "claude-lab-1", "name": "Lab 1", "release_date": "2026-01-01", "last_updated": "2026-01-01", "attachment": false, "reasoning": false,
		"temperature": true, "tool_call": true, "open_weights": false, "cost": object{"input": 1, "output": 1},
		"limit": object{"context": 200000, "output": 8192}, "modalities": object{"input": []string{"text"}, "output": []string{"text"}},
	}
	return object{"anthropic": object{
		"id": "anthropic", "name": "Anthropic", "env": []string{"ANTHROPIC_API_KEY"}, "npm": "@ai-sdk/anthropic",
		"models": object{"claude-lab-1": model},
	}}
}

func document(v object) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v)
	})
}

// copilotModels is the list of models that a plan of Copilot has.
func copilotModels() object {
	return object{"object": "list", "data": []any{object{
		"id": "lab-1", "name": "Lab 1", "object": "model", "vendor": "Lab", "version": "lab-1", "preview": false,
		"model_picker_enabled": true, "policy": object{"state": "enabled", "terms": ""}, "supported_endpoints": []string{"/chat/completions"},
		"capabilities": object{
			"family": "lab-1", "type": "chat", "object": "model_capabilities", "tokenizer": "o200k_base",
			"limits":   object{"max_context_window_tokens": 128000, "max_output_tokens": 16384, "max_prompt_tokens": 128000},
			"supports": object{"streaming": true, "tool_calls": true, "parallel_tool_calls": true},
		},
	}}}
}

// chunks is how the Chat Completions API says a word.
func chunks(word string) []object {
	chunk := func(delta object, finish any) object {
		return object{
			"id": "chat_lab", "object": "chat.completion.chunk", "created": 1700000000, "model": "lab-1",
			"choices": []any{object{"index": 0, "delta": delta, "finish_reason": finish}},
		}
	}
	last := chunk(object{}, "stop")
	last["usage"] = object{"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
	return []object{chunk(object{"role": "assistant", "content": word}, nil), last}
}

package lab

import (
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/websocket"
)

// canned is what the upstream answers by itself on every host. Query
// parameters: n is a count, every and wait are durations such as 50ms.
//
//	/v1/models, /user            JSON as OpenAI and GitHub answer it
//	/v1/chat/completions, /v1/responses, /v1/messages
//	                             JSON, or events if the body has "stream": true
//	/headers                     the request's fields, as JSON
//	/echo                        the request's body, as it comes
//	/sse                         n events, one every
//	/slow                        JSON after wait
//	/trickle                     n bytes with a Content-Length, one every
//	/redirect                    code (302) to the URL in to
//	/status/NNN                  that status
//	/chunked, /gzip, /bytes      n bytes in chunks, compressed, with a length
//	/trailers                    a body with trailers
//	/ws                          a WebSocket that echoes (HTTP/1.1)
//
// Anything else answers 200 with what was asked for, without its fields.
func canned() map[string]http.Handler {
	handlers := map[string]http.Handler{
		"/echo": http.HandlerFunc(echo),
		"/ws":   websocket.Server{Handler: func(ws *websocket.Conn) { _, _ = io.Copy(ws, ws) }},
	}
	for path, answer := range map[string]http.HandlerFunc{
		"/v1/models": models, "/user": user, "/headers": headers, "/sse": events, "/slow": slow, "/trickle": trickle,
		"/redirect": redirect, "/status/*": status, "/chunked": chunked, "/gzip": compressed, "/bytes": sized,
		"/trailers": trailers,
	} {
		handlers[path] = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			drain(r)
			answer(w, r)
		})
	}
	for _, path := range []string{"/v1/chat/completions", "/v1/responses", "/v1/messages"} {
		handlers[path] = http.HandlerFunc(completion)
	}
	return handlers
}

// drain reads the body to its end, so that the record holds it.
func drain(r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func anything(w http.ResponseWriter, r *http.Request) {
	drain(r)
	writeJSON(w, http.StatusOK, map[string]string{"host": r.Host, "method": r.Method, "path": r.URL.EscapedPath()})
}

func models(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{
		"object": "list",
		"data":   []any{map[string]any{"id": "lab-1", "object": "model", "created": 1700000000, "owned_by": "lab"}},
	})
}

func user(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{"login": "labrat", "id": 1, "name": "Lab Rat", "type": "User"})
}

func headers(w http.ResponseWriter, r *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{
		"method": r.Method, "host": r.Host, "target": r.RequestURI, "proto": r.Proto, "headers": r.Header,
	})
}

func completion(w http.ResponseWriter, r *http.Request) {
	var ask struct{ Stream bool }
	body, _ := io.ReadAll(io.LimitReader(r.Body, maxBody))
	drain(r)
	if json.Unmarshal(body, &ask) == nil && ask.Stream {
		events(w, r)
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"id": "lab", "object": "chat.completion", "model": "lab-1",
		"choices": []any{map[string]any{
			"index": 0, "finish_reason": "stop", "message": map[string]string{"role": "assistant", "content": "squeak"},
		}},
	})
}

// echo answers while it still reads.
func echo(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	_ = control.EnableFullDuplex() // HTTP/2 is it anyway
	w.Header().Set("Content-Type", r.Header.Get("Content-Type"))
	buf := make([]byte, 32<<10)
	for {
		n, err := r.Body.Read(buf)
		if n > 0 {
			_, _ = w.Write(buf[:n])
			_ = control.Flush()
		}
		if err != nil {
			return
		}
	}
}

func events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-cache")
	paced(w, r, count(r, 3), func(i int) { _, _ = fmt.Fprintf(w, "id: %d\ndata: {\"n\":%d}\n\n", i, i) })
	_, _ = io.WriteString(w, "data: [DONE]\n\n")
}

func slow(w http.ResponseWriter, r *http.Request) {
	if pause(r, "wait", time.Second) {
		anything(w, r)
	}
}

func trickle(w http.ResponseWriter, r *http.Request) {
	n := count(r, 10)
	w.Header().Set("Content-Length", strconv.Itoa(n))
	paced(w, r, n, func(i int) { _, _ = w.Write([]byte{letter(i)}) })
}

// paced writes n times, each at once and every so often, until the client goes.
func paced(w http.ResponseWriter, r *http.Request, n int, write func(i int)) {
	control := http.NewResponseController(w)
	for i := range n {
		write(i)
		_ = control.Flush()
		if i < n-1 && !pause(r, "every", 50*time.Millisecond) {
			return
		}
	}
}

// pause reports whether the client is still there after the duration in the
// query, or otherwise.
func pause(r *http.Request, name string, otherwise time.Duration) bool {
	d, err := time.ParseDuration(r.URL.Query().Get(name))
	if err != nil {
		d = otherwise
	}
	select {
	case <-time.After(d):
		return true
	case <-r.Context().Done():
		return false
	}
}

func redirect(w http.ResponseWriter, r *http.Request) {
	code, err := strconv.Atoi(r.URL.Query().Get("code"))
	if err != nil || code < 300 || code > 399 {
		code = http.StatusFound
	}
	w.Header().Set("Location", r.URL.Query().Get("to"))
	w.WriteHeader(code)
}

func status(w http.ResponseWriter, r *http.Request) {
	code, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/status/"))
	switch {
	case err != nil || code < 200 || code > 999:
		code = http.StatusNotFound
	case code == http.StatusNoContent || code == http.StatusNotModified:
		w.WriteHeader(code)
		return
	}
	writeJSON(w, code, map[string]int{"status": code})
}

func chunked(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	_ = control.Flush() // before the length can be known
	write(w, count(r, 1000), 100)
}

func compressed(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Encoding", "gzip")
	w.Header().Set("Content-Type", "text/plain")
	z := gzip.NewWriter(w)
	write(z, count(r, 1000), 100)
	_ = z.Close()
}

func sized(w http.ResponseWriter, r *http.Request) {
	n := count(r, 1000)
	w.Header().Set("Content-Length", strconv.Itoa(n))
	w.Header().Set("Content-Type", "application/octet-stream")
	write(w, n, 32<<10)
}

func trailers(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Trailer", "Lab-Trailer")
	_, _ = io.WriteString(w, "body\n")
	w.Header().Set("Lab-Trailer", "after the body")
}

// write writes n letters, so many at a time.
func write(w io.Writer, n, at int) {
	block := make([]byte, at)
	for done := 0; done < n; {
		part := block[:min(at, n-done)]
		for i := range part {
			part[i] = letter(done + i)
		}
		if _, err := w.Write(part); err != nil {
			return
		}
		done += len(part)
	}
}

func letter(i int) byte { return 'a' + byte(i%26) }

func count(r *http.Request, otherwise int) int {
	n, err := strconv.Atoi(r.URL.Query().Get("n"))
	if err != nil || n < 0 {
		return otherwise
	}
	return n
}

// basic decodes an HTTP Basic field value; "" if it is none.
func basic(value string) string {
	scheme, encoded, _ := strings.Cut(value, " ")
	if !strings.EqualFold(scheme, "Basic") {
		return ""
	}
	decoded, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return ""
	}
	return string(decoded)
}

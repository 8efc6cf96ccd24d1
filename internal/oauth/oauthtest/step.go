package oauthtest

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"time"
)

// Step is how one request is served: around what the server would do, or
// instead of it.
type Step func(next http.Handler) http.Handler

// Script appends steps for a path. Each serves one request; when none is left
// the server behaves again.
func (s *Server) Script(path string, steps ...Step) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scripts[path] = append(s.scripts[path], steps...)
}

// record notes a request and takes the next step of its path, nil for none.
func (s *Server) record(r *http.Request) (*http.Request, Step) {
	body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, Request{
		Method: r.Method, Host: r.Host, Path: r.URL.Path, Query: r.URL.RawQuery, Header: r.Header.Clone(), Body: string(body), At: time.Now(),
	})
	steps := s.scripts[r.URL.Path]
	if len(steps) == 0 {
		return r, nil
	}
	s.scripts[r.URL.Path] = steps[1:]
	return r, steps[0]
}

// Normal is the server's own behaviour, to fill a place in a script.
func Normal(next http.Handler) http.Handler { return next }

// Slow waits before it does what the server would do, or until the client has gone.
func Slow(d time.Duration) Step {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-time.After(d):
				next.ServeHTTP(w, r)
			case <-r.Context().Done():
				panic(http.ErrAbortHandler)
			}
		})
	}
}

// Lost does what the server would do and breaks the connection instead of
// answering: the client can't know that it was done.
func Lost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	})
}

// Broken breaks the connection and does nothing.
func Broken(http.Handler) http.Handler {
	return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
}

// Respond answers with what it is given.
func Respond(status int, contentType, body string) Step {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		})
	}
}

// Redirect answers with a redirect.
func Redirect(status int, location string) Step {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", location)
			w.WriteHeader(status)
		})
	}
}

// Refuse answers with an error (RFC 6749 section 5.2).
func Refuse(status int, code, description string) Step {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			write(w, status, map[string]any{"error": code, "error_description": description})
		})
	}
}

// Edit changes the JSON object the server would answer with.
func Edit(edit func(map[string]any)) Step {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			recorded := httptest.NewRecorder()
			next.ServeHTTP(recorded, r)
			var object map[string]any
			if err := json.Unmarshal(recorded.Body.Bytes(), &object); err != nil {
				object = map[string]any{}
			}
			edit(object)
			body, _ := json.Marshal(object)
			maps.Copy(w.Header(), recorded.Header())
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
			w.WriteHeader(recorded.Code)
			_, _ = w.Write(body)
		})
	}
}

// Set is Edit for one member.
func Set(name string, value any) Step {
	return Edit(func(o map[string]any) { o[name] = value })
}

// Drop is Edit that leaves members out.
func Drop(names ...string) Step {
	return Edit(func(o map[string]any) {
		for _, name := range names {
			delete(o, name)
		}
	})
}

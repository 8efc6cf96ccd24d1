package proxy

import (
	"net/http"
	"net/url"
	"strings"
)

// target is a request target (RFC 9112 section 3.2) in origin or absolute
// form, in the client's own spelling.
type target struct {
	scheme    string // "http" or "https" in absolute form, else ""
	authority string // in absolute form
	path      string // begins with one /
	query     string // without its ?
	hasQuery  bool
}

// parseTarget reads a target that has no fragment and no character outside
// printable ASCII. It never asks a URL parser, which would have opinions.
func parseTarget(s string) (target, error) {
	var t target
	if !strings.HasPrefix(s, "/") {
		var found bool
		t.scheme, s, found = strings.Cut(s, "://")
		t.scheme = lower(t.scheme)
		if !found || t.scheme != "http" && t.scheme != "https" {
			return target{}, bad("request target that is neither a path nor an http or https URL")
		}
		end := strings.IndexAny(s, "/?")
		if end < 0 {
			end = len(s)
		}
		t.authority, s = s[:end], s[end:]
		if strings.HasPrefix(s, "?") || s == "" {
			s = "/" + s
		}
	}
	t.path, t.query, t.hasQuery = strings.Cut(s, "?")
	if strings.HasPrefix(t.path, "//") {
		return target{}, bad("path that begins with two slashes")
	}
	if strings.ContainsAny(s, "#") || badTarget(s) {
		return target{}, bad("request target with a fragment or a character that is not allowed")
	}
	if _, err := url.PathUnescape(t.path); err != nil || strings.Contains(t.path, `\`) {
		return target{}, bad("path with a backslash or a malformed escape")
	}
	return t, nil
}

func badTarget(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return true
		}
	}
	return false
}

// url is where the request goes: the routed authority and the client's path.
func (t target) url(to authority, scheme string) *url.URL {
	path, _ := url.PathUnescape(t.path) // parseTarget saw to it
	return &url.URL{
		Scheme: scheme, Host: to.field(scheme), Path: path, RawPath: t.path,
		RawQuery: t.query, ForceQuery: t.hasQuery && t.query == "",
	}
}

// checkAuthority compares what the client says it talks to with what it was
// connected to: the Host field or :authority, a Host field beside it, and the
// authority of an absolute target. Each must be the routed one.
func checkAuthority(r *http.Request, t target, to authority, scheme string) error {
	names := append([]string{}, r.Header["Host"]...)
	if r.Host != "" || r.ProtoAtLeast(1, 1) {
		names = append(names, r.Host)
	}
	if t.scheme != "" {
		names = append(names, t.authority)
	}
	for _, name := range names {
		got, err := parseAuthority(name, defaultPort(scheme))
		if err != nil {
			return &Refusal{Status: http.StatusBadRequest, Code: "bad_host", Message: "Host or :authority: " + err.Error()}
		}
		if got != to {
			return &Refusal{
				Status: http.StatusMisdirectedRequest, Code: "authority_mismatch",
				Message: "the connection is for " + to.String() + ", the request names " + got.String(),
				Hint:    "send the request through a connection of its own",
			}
		}
	}
	return nil
}

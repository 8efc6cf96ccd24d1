package prompt

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"authsome/internal/login"
	"authsome/internal/secret"
)

// ServeHTTP answers one request. What is not for this page is refused before
// anything of it is read.
func (f *form) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Host != f.host:
		refuse(w, http.StatusMisdirectedRequest)
	case f.foreign(r):
		refuse(w, http.StatusForbidden)
	case r.URL.RawQuery != "" || r.URL.ForceQuery:
		refuse(w, http.StatusBadRequest) // nothing of an answer belongs into a URL
	case r.URL.EscapedPath() == f.start && r.Method == http.MethodGet:
		f.serveStart(w)
	case r.URL.EscapedPath() != f.path:
		refuse(w, http.StatusNotFound)
	case r.Method == http.MethodGet:
		f.serveForm(w)
	case r.Method == http.MethodPost:
		f.servePost(w, r)
	default:
		w.Header().Set("Allow", "GET, POST")
		refuse(w, http.StatusMethodNotAllowed)
	}
}

// foreign reports whether another page is behind a request. An answer must
// name its origin; a page may be reached by a link from anywhere.
func (f *form) foreign(r *http.Request) bool {
	origins := r.Header.Values("Origin")
	if len(origins) > 1 || len(origins) == 1 && origins[0] != f.origin || len(origins) == 0 && r.Method != http.MethodGet {
		return true
	}
	switch site := r.Header.Get("Sec-Fetch-Site"); site {
	case "", "same-origin":
		return false
	default:
		return r.Method != http.MethodGet || site != "none" && r.Header.Get("Sec-Fetch-Mode") != "navigate"
	}
}

// serveStart sends the browser to the page, once.
func (f *form) serveStart(w http.ResponseWriter) {
	if !f.started.CompareAndSwap(false, true) {
		refuse(w, http.StatusGone)
		return
	}
	headers(w)
	w.Header().Set("Location", f.path)
	w.WriteHeader(http.StatusSeeOther)
}

func (f *form) serveForm(w http.ResponseWriter) {
	if f.claimed.Load() {
		write(w, http.StatusGone, answeredPage())
		return
	}
	write(w, http.StatusOK, f.page(""))
}

func (f *form) servePost(w http.ResponseWriter, r *http.Request) {
	fields, status := readFields(w, r)
	if status == 0 && !secret.New(f.token).Equal(secret.New(fields.Get("token"))) {
		status = http.StatusForbidden
	}
	if status != 0 {
		refuse(w, status)
		return
	}
	if fields.Get("action") == "cancel" {
		f.finish(w, reply{err: login.ErrCancelled}, login.Page{Kind: login.PageNote, Title: "Cancelled", Lines: []string{
			"Nothing was kept. You can close this page.",
		}})
		return
	}
	value := strings.TrimSpace(fields.Get("answer"))
	if problem := f.problem(value); problem != "" {
		write(w, http.StatusUnprocessableEntity, f.page(problem))
		return
	}
	f.finish(w, reply{value: value}, login.Page{Kind: login.PageDone, Title: "Handed to authsome", Lines: []string{
		"authsome has received your answer and goes on with the login. You can close this page and go back to where you started.",
	}})
}

// readFields reads a posted form in which no field stands twice; else it
// returns the status to refuse with.
func readFields(w http.ResponseWriter, r *http.Request) (url.Values, int) {
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || mediaType != "application/x-www-form-urlencoded" {
		return nil, http.StatusUnsupportedMediaType
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, formBody))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return nil, http.StatusRequestEntityTooLarge
	}
	fields, malformed := url.ParseQuery(string(body))
	if err != nil || malformed != nil {
		return nil, http.StatusBadRequest
	}
	for _, values := range fields {
		if len(values) != 1 {
			return nil, http.StatusBadRequest
		}
	}
	return fields, 0
}

// problem says what is wrong with a value, never the value.
func (f *form) problem(value string) string {
	switch {
	case value == "" && !f.question.Optional:
		return "This is needed."
	case len(value) > MaxInput:
		return fmt.Sprintf("This is longer than %d bytes.", MaxInput)
	case f.question.Check == nil || value == "":
		return ""
	}
	if err := f.question.Check(secret.New(value)); err != nil {
		return err.Error()
	}
	return ""
}

// finish hands over the one reply that counts and shows what came of it.
func (f *form) finish(w http.ResponseWriter, r reply, page login.Page) {
	if !f.claimed.CompareAndSwap(false, true) {
		write(w, http.StatusGone, answeredPage())
		return
	}
	f.replies <- r // has room
	write(w, http.StatusOK, page)
}

func (f *form) page(problem string) login.Page {
	q := f.question
	if strings.Contains(problem, q.Hint) {
		q.Hint = "" // it is said once
	}
	return login.Page{
		Kind: login.PageNote, Title: q.Label + " for " + q.Provider,
		Lines: []string{"authsome asks for this to log in. What you enter goes to authsome on this machine, and to no agent or terminal."},
		Form: &login.PageForm{
			Token: f.token, Label: q.Label, Hint: q.Hint, Problem: problem,
			CreateURL: q.CreateURL, Create: create(q), Hidden: f.hidden, Optional: q.Optional,
		},
	}
}

func answeredPage() login.Page {
	return login.Page{Kind: login.PageNote, Title: "This was answered already", Lines: []string{
		"The first answer counted, and this one changed nothing. You can close this page.",
	}}
}

// refuse answers what is not for the page, and says nothing of the page.
func refuse(w http.ResponseWriter, status int) {
	write(w, status, login.Page{Kind: login.PageNote, Title: http.StatusText(status), Lines: []string{"Nothing was changed."}})
}

// headers forbids the page everything but its own style and form, and
// everybody to keep, frame or trace it. With no-referrer the browser would not
// name the origin of an answer.
func headers(w http.ResponseWriter) {
	sum := sha256.Sum256([]byte(login.PageStyle))
	for name, value := range map[string]string{
		"Content-Security-Policy": "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
			"'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
		"Cache-Control":                "no-store",
		"Referrer-Policy":              "same-origin",
		"X-Content-Type-Options":       "nosniff",
		"X-Frame-Options":              "DENY",
		"Cross-Origin-Opener-Policy":   "same-origin",
		"Cross-Origin-Resource-Policy": "same-origin",
		"Connection":                   "close",
	} {
		w.Header().Set(name, value)
	}
}

// write sends a page whole: the server may stop right after.
func write(w http.ResponseWriter, status int, page login.Page) {
	document := page.HTML()
	headers(w)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(document)))
	w.WriteHeader(status)
	_, _ = w.Write(document)
}

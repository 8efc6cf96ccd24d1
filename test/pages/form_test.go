//go:build linux

package pages_test

import (
	"strings"
	"testing"
)

// hint is what the definition says a key looks like.
const hint = "OpenAI API keys start with 'sk-' followed by at least 20 letters, digits, '_' or '-'."

// wrong is what someone may paste instead.
const wrong = "pasted-the-wrong-thing"

// TestForm: a key that does not fit is refused, one that does is stored, and
// nothing of it is in what the browser shows, remembers or writes.
func TestForm(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	secret := w.Canary("form")
	p := w.start(t, "login", "openai")
	address := w.visit(t, 0)
	r := w.drive(t, address,
		study("form"), attack(), reload(),
		typed(wrong), key("Enter"), look("form-error"),
		typed(secret), button("Save"), look("form-done"))
	equal(t, "exit code", w.end(t, p), 0)
	equal(t, "status", w.status(t, "openai"), "connected")
	w.Search(t, w.Dir()) // with the vault and the browser's profile

	r.staysAt(t, origin(t, address))
	for _, visited := range append(r.History, r.Requests...) {
		if strings.ContainsAny(visited, "?#") {
			t.Errorf("an address has a query: %s", visited)
		}
	}
	form := r.view(t, "form")
	r.asks(t, form)
	equal(t, "alerts", form.Alerts, []string{})
	r.refuses(t)
	done := r.view(t, "form-done")
	equal(t, "the end", done.Headings, []string{"Handed to authsome"})
	lacks(t, "a page written before the login is over", done.Text, "Logged in", "connected")
	r.noScripts(t)
	for _, request := range w.Requests() { // others are Chromium's own
		if strings.HasPrefix(request.Host, "evil") {
			t.Errorf("the page sent %s", request)
		}
	}
}

// asks: the field is named, described, hidden, empty and ready for typing.
func (r report) asks(t *testing.T, v view) {
	t.Helper()
	equal(t, "label", v.Label, "API key")
	equal(t, "type", v.Type, "password")
	equal(t, "value", v.Value, "")
	equal(t, "focus", v.Focus, "answer")
	for _, part := range []string{"OpenAI", hint, "https://platform.openai.com/api-keys"} {
		if !strings.Contains(v.Text, part) {
			t.Errorf("the form does not say %q: %s", part, v.Text)
		}
	}
}

// refuses: the page after a wrong key says what is wrong and does not repeat it.
func (r report) refuses(t *testing.T) {
	t.Helper()
	v := r.view(t, "form-error")
	r.asks(t, v)
	equal(t, "invalid", v.Invalid, "true")
	equal(t, "alerts", v.Alerts, []string{"Value is not accepted: " + hint})
	lacks(t, "the page", v.Source, wrong)
	for _, a := range r.Answers {
		lacks(t, "an answer", a.Body, wrong)
	}
	if strings.Count(v.Text, hint) != 1 {
		t.Errorf("the hint is there %d times", strings.Count(v.Text, hint))
	}
}

// noScripts: whatever slips into the page can't run, load, send or frame.
func (r report) noScripts(t *testing.T) {
	t.Helper()
	if r.Policy == nil {
		t.Fatal("there was no attack")
	}
	equal(t, "a script ran", r.Policy.Ran, false)
	equal(t, "refused", r.Policy.Refused, []string{
		"connect-src", "form-action", "frame-src", "img-src", "img-src", "script-src-attr", "script-src-elem", "script-src-elem", "style-src-elem",
	})
}

// TestForm_cancel: nothing is kept, and authsome says that it was cancelled.
func TestForm_cancel(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.start(t, "login", "openai")
	address := w.visit(t, 0)
	r := w.drive(t, address, typed(w.Canary("cancel")), button("Cancel"), look("form-cancelled"))
	equal(t, "exit code", w.end(t, p), exitCancelled)
	equal(t, "status", w.status(t, "openai"), "")
	equal(t, "the end", r.view(t, "form-cancelled").Headings, []string{"Cancelled"})
	r.staysAt(t, origin(t, address))
	w.Search(t, w.Dir())
}

func lacks(t *testing.T, what, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if strings.Contains(text, part) {
			t.Errorf("%s holds %q", what, part)
		}
	}
}

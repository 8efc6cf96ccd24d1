//go:build unix

package prompt_test

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"authsome/internal/login"
	"authsome/internal/prompt"
)

// script is a browser that writes its arguments and environment down.
func script(t *testing.T, then string) (path, log string) {
	t.Helper()
	folder := t.TempDir()
	path, log = filepath.Join(folder, "browser"), filepath.Join(folder, "log")
	text := "#!/bin/sh\nprintf '<%s>' \"$@\" >\"$LOG\"\nprintf ' %s' \"$MASTER\" >>\"$LOG\"\n" + then + "\n"
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	return path, log
}

func TestBrowserOpen(t *testing.T) {
	t.Setenv("MASTER", "CANARY") // the browser gets the environment it is handed, not ours
	path, log := script(t, "")
	for name, c := range map[string]struct {
		args   []string
		target string
		want   string
	}{
		"last":   {nil, "https://acme.test/device?user_code=AB-CD&x=1", "<https://acme.test/device?user_code=AB-CD&x=1> "},
		"placed": {[]string{"--app=%s", "-x"}, "https://acme.test/", "<--app=https://acme.test/><-x> "},
		"loop":   {nil, "http://127.0.0.1:1234/x", "<http://127.0.0.1:1234/x> "},
	} {
		t.Run(name, func(t *testing.T) {
			b := prompt.Browser{Commands: [][]string{{"/nonexistent/browser"}, append([]string{path}, c.args...)}, Env: []string{"LOG=" + log}}
			if err := b.Open(t.Context(), c.target); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(log)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, string(got)); diff != "" {
				t.Errorf("arguments (-want +got):\n%s", diff)
			}
		})
	}
}

// TestBrowserHostile is O017: nothing but a page gets to a command.
func TestBrowserHostile(t *testing.T) {
	path, log := script(t, "")
	b := prompt.Browser{Commands: [][]string{{path}}, Env: []string{"LOG=" + log}}
	for _, target := range []string{
		"", "-url", "--help", "file:///etc/passwd", "javascript:alert(1)", "data:text/html,x", "http://evil.test/", "ftp://acme.test/",
		"https://acme.test/;id", "https://acme.test/$(id)", "https://acme.test/`id`", `https://acme.test/"`, "https://acme.test/'",
		"https://acme.test/a b", "https://acme.test/a\nb", "https://acme.test/\x00", "https://acme.test/\u202e", "https:///x", "https:acme.test",
		"https://user@acme.test/", " https://acme.test/", "acme.test", "https://acme.test/|id", "https://acme.test/<", "https://acme.test/\\x",
	} {
		if err := b.Open(t.Context(), target); err == nil {
			t.Errorf("%q was opened", target)
		}
	}
	if _, err := os.Stat(log); err == nil {
		t.Error("the command was run")
	}
}

func TestBrowserFails(t *testing.T) {
	path, log := script(t, "exit 3")
	env := []string{"LOG=" + log}
	if err := (prompt.Browser{Commands: [][]string{{path}}, Env: env}).Open(t.Context(), "https://acme.test/"); err == nil {
		t.Error("a browser that fails counts as opened")
	}
	if err := (prompt.Browser{}).Open(t.Context(), "https://acme.test/"); err == nil {
		t.Error("no browser counts as opened")
	}
	good, _ := script(t, "")
	if err := (prompt.Browser{Commands: [][]string{{path}, {good}}, Env: env}).Open(t.Context(), "https://acme.test/"); err != nil {
		t.Errorf("the next one was not tried: %v", err)
	}
}

// TestFormBrowser: what the browser is started with leads to the form once, and
// is not the form's own address, which other users could read.
func TestFormBrowser(t *testing.T) {
	path, log := script(t, "")
	a := &asked{t: t, out: &buffer{}}
	done := make(chan error, 1)
	go func() {
		_, err := prompt.Form{Out: a.out, Browser: prompt.Browser{Commands: [][]string{{path}}, Env: []string{"LOG=" + log}}}.Secret(t.Context(), question)
		done <- err
	}()
	a.page = a.printed()
	u, _ := url.Parse(a.page)
	a.origin = "http://" + u.Host
	start := argument(t, log)
	if start == a.page {
		t.Fatal("the browser is started with the form's own address")
	}
	first := a.send(request{method: "GET", url: start, header: map[string]string{"Sec-Fetch-Site": "none"}})
	if first.status != http.StatusSeeOther || a.origin+first.header.Get("Location") != a.page {
		t.Errorf("start leads to %d %q", first.status, first.header.Get("Location"))
	}
	if again := a.send(request{method: "GET", url: start}); again.status != http.StatusGone {
		t.Errorf("start leads there twice: %d", again.status)
	}
	page := a.send(request{method: "GET", url: a.page})
	_, rest, _ := strings.Cut(page.body, `name="token" value="`)
	a.token, _, _ = strings.Cut(rest, `"`)
	a.send(a.post("", "cancel"))
	if err := <-done; err == nil || err.Error() != login.ErrCancelled.Error() {
		t.Errorf("error %v", err)
	}
}

// argument waits for the one argument of a script.
func argument(t *testing.T, log string) string {
	t.Helper()
	for range 500 {
		data, _ := os.ReadFile(log)
		if inner, _, ok := strings.Cut(strings.TrimPrefix(string(data), "<"), "> "); ok {
			return inner
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("no browser was started")
	return ""
}

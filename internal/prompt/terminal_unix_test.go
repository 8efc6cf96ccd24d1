//go:build unix

package prompt_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/google/go-cmp/cmp"
	"rsc.io/qr"

	"authsome/internal/login"
	"authsome/internal/prompt"
)

// terminal returns the human's side of a terminal and a prompt on the other.
func terminal(t *testing.T, columns uint16) (human *os.File, ui prompt.Terminal, out *buffer) {
	t.Helper()
	human, other, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { human.Close(); other.Close() })
	if err := pty.Setsize(human, &pty.Winsize{Rows: 50, Cols: columns}); err != nil {
		t.Fatal(err)
	}
	out = &buffer{}
	return human, prompt.Terminal{In: other, Out: out}, out
}

func TestTerminalText(t *testing.T) {
	q := login.Question{Provider: "Ac\x1bme", Label: "Client ID", Hint: "A hint.", CreateURL: "https://acme.test/apps", Create: "Register an app"}
	const asks = "Register an app at https://acme.test/apps\nA hint.\nClient ID for Ac\\x1bme: "
	for name, c := range map[string]struct {
		typed    string
		optional bool
		want     string
		err      error
	}{
		"line":           {typed: "my-id\n", want: "my-id"},
		"space_around":   {typed: "  my-id \n", want: "my-id"},
		"empty":          {typed: "\n", err: login.ErrCancelled},
		"empty_optional": {typed: "\n", optional: true},
		"end_of_input":   {typed: "\x04", err: login.ErrCancelled},
	} {
		t.Run(name, func(t *testing.T) {
			human, ui, out := terminal(t, 80)
			if _, err := human.WriteString(c.typed); err != nil {
				t.Fatal(err)
			}
			q := q
			q.Optional = c.optional
			got, err := ui.Text(t.Context(), q)
			if got != c.want || !errors.Is(err, c.err) {
				t.Errorf("%q, error %v", got, err)
			}
			if !strings.HasPrefix(out.String(), asks) {
				t.Errorf("asks %q", out)
			}
		})
	}
	t.Run("O027_interrupt", func(t *testing.T) {
		_, ui, _ := terminal(t, 80)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := ui.Text(ctx, q); !errors.Is(err, login.ErrCancelled) {
			t.Errorf("error %v", err)
		}
	})
}

// TestTerminalQuestions: a line typed ahead is the next question's answer.
func TestTerminalQuestions(t *testing.T) {
	human, ui, out := terminal(t, 80)
	if _, err := human.WriteString("my-id\nCANARY-secret\n\n"); err != nil {
		t.Fatal(err)
	}
	id, err := ui.Text(t.Context(), login.Question{Label: "Client ID"})
	if err != nil || id != "my-id" {
		t.Errorf("%q, error %v", id, err)
	}
	value, err := ui.Secret(t.Context(), login.Question{Label: "Client secret", Optional: true})
	if err != nil || value.Reveal() != "CANARY-secret" {
		t.Errorf("secret is not the one typed, error %v", err)
	}
	none, err := ui.Secret(t.Context(), login.Question{Label: "Client secret", Optional: true})
	if err != nil || !none.IsZero() {
		t.Errorf("empty: error %v", err)
	}
	if strings.Contains(out.String(), "CANARY") {
		t.Errorf("output %q", out)
	}
}

func TestTerminalVisit(t *testing.T) {
	device := login.Visit{
		Provider: "Acme", URL: "https://acme.test/device", Open: "https://acme.test/device?user_code=AB-CD", Code: "AB-CD",
		Expiry: time.Now().Add(15 * time.Minute),
	}
	const before = "Log in to Acme in a browser, on this machine or another:\n\n  https://acme.test/device\n\nand enter this code there:\n\n  AB-CD\n\n"
	const after = "The code is good for 15 minutes. Waiting. Ctrl-C cancels.\n"
	for name, c := range map[string]struct {
		visit   login.Visit
		columns uint16
		colour  bool
		want    string
	}{
		"code":   {device, 80, false, before + picture(t, device.Open, "", "") + "\n" + after},
		"colour": {device, 80, true, before + picture(t, device.Open, "\x1b[40;97m", "\x1b[0m") + "\n" + after},
		"narrow": {device, 30, false, before + after},
		"page": {
			login.Visit{Provider: "A\u202ecme", URL: "https://acme.test/authorize?state=x", Open: "http://127.0.0.1:1/x"}, 80, false,
			"Log in to A\\u202ecme in your browser:\n\n  https://acme.test/authorize?state=x\n\nWaiting. Ctrl-C cancels.\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, ui, out := terminal(t, c.columns)
			ui.Colour = c.colour
			if err := ui.Visit(t.Context(), c.visit); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, out.String()); diff != "" {
				t.Errorf("output (-want +got):\n%s", diff)
			}
		})
	}
}

// picture draws a QR code the slow way: each module by its row.
func picture(t *testing.T, text, begin, end string) string {
	t.Helper()
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		t.Fatal(err)
	}
	const margin = 4
	size := code.Size + 2*margin
	dark := func(x, y int) bool { return y >= size || code.Black(x-margin, y-margin) }
	var b strings.Builder
	for y := 0; y < size; y += 2 {
		b.WriteString(begin)
		for x := range size {
			b.WriteString(map[[2]bool]string{{false, false}: "█", {true, false}: "▄", {false, true}: "▀", {true, true}: " "}[[2]bool{dark(x, y), dark(x, y+1)}])
		}
		b.WriteString(end + "\n")
	}
	return b.String()
}

// TestTerminalBrowser: with a browser the page is opened, and a browser that
// can't be started is no reason to give up.
func TestTerminalBrowser(t *testing.T) {
	path, log := script(t, "")
	_, ui, out := terminal(t, 80)
	ui.Browser = prompt.Browser{Commands: [][]string{{path}}, Env: []string{"LOG=" + log}}
	v := login.Visit{Provider: "Acme", URL: "https://acme.test/authorize?state=CANARY", Open: "http://127.0.0.1:1/start"}
	if err := ui.Visit(t.Context(), v); err != nil {
		t.Fatal(err)
	}
	if got := argument(t, log); got != v.Open {
		t.Errorf("opened %q", got)
	}
	ui.Browser.Commands = [][]string{{"/nonexistent/browser"}}
	if err := ui.Visit(t.Context(), v); err != nil || !strings.Contains(out.String(), "could not be opened for you: no browser could be started.") {
		t.Errorf("error %v, output %q", err, out)
	}
}

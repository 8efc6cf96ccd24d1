package prompt_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"authsome/internal/prompt"
)

func TestBrowserCommands(t *testing.T) {
	for name, c := range map[string]struct {
		variable, goos string
		want           [][]string
	}{
		"none":    {"", "linux", [][]string{{"xdg-open"}, {"wslview"}}},
		"one":     {"firefox", "linux", [][]string{{"firefox"}, {"xdg-open"}, {"wslview"}}},
		"list":    {"firefox --new-tab %s: :chromium", "freebsd", [][]string{{"firefox", "--new-tab", "%s"}, {"chromium"}, {"xdg-open"}, {"wslview"}}},
		"darwin":  {"", "darwin", [][]string{{"open"}}},
		"windows": {`C:\browser.exe`, "windows", [][]string{{`C:\browser.exe`}, {"rundll32", "url.dll,FileProtocolHandler"}}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, prompt.BrowserCommands(c.variable, c.goos)); diff != "" {
				t.Errorf("commands (-want +got):\n%s", diff)
			}
		})
	}
}

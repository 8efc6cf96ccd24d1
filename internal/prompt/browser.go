package prompt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"os/exec"
	"strings"
	"time"
)

// Browser starts the human's web browser. The zero Browser starts none.
type Browser struct {
	// Commands are tried in turn: a program and its arguments, where %s stands
	// for the URL, which otherwise comes last. No shell is involved.
	Commands [][]string
	Env      []string // of the browser, as of os.Environ
}

// BrowserCommands returns the commands to try on an operating system (a value
// of runtime.GOOS): those of the variable BROWSER, a list of command lines as
// for other programs, and then the system's own.
func BrowserCommands(variable, goos string) [][]string {
	separator := ":"
	if goos == "windows" {
		separator = ";"
	}
	var commands [][]string
	for line := range strings.SplitSeq(variable, separator) {
		if words := strings.Fields(line); len(words) > 0 {
			commands = append(commands, words)
		}
	}
	switch goos {
	case "darwin":
		return append(commands, []string{"open"})
	case "windows":
		return append(commands, []string{"rundll32", "url.dll,FileProtocolHandler"})
	}
	return append(commands, []string{"xdg-open"}, []string{"wslview"})
}

// settle is how long a command may take to fail. One that still runs then is
// the browser itself.
const settle = 3 * time.Second

var (
	errAddress = errors.New("not a page for a browser")
	errStart   = errors.New("no browser could be started")
)

// visit opens a page, and says on out when it can't.
func (b Browser) visit(ctx context.Context, out io.Writer, target string) {
	if len(b.Commands) == 0 {
		return
	}
	if err := b.Open(ctx, target); err != nil && ctx.Err() == nil {
		fmt.Fprintf(out, "The page could not be opened for you: %v.\n", err)
	}
}

// Open starts the browser with an https URL, or an http one on a loopback
// address. The URL is an argument, which other users of the machine can read.
func (b Browser) Open(ctx context.Context, target string) error {
	if !isPage(target) {
		return errAddress
	}
	for _, command := range b.Commands {
		if b.start(ctx, command, target) == nil {
			return nil
		}
	}
	return errStart
}

// isPage accepts what no program could take for an option, a file or a second
// argument.
func isPage(target string) bool {
	for i := range len(target) {
		if target[i] <= ' ' || target[i] > '~' || strings.IndexByte("\"'`\\<>^{|}$;()", target[i]) >= 0 {
			return false
		}
	}
	u, err := url.Parse(target)
	if err != nil || u.Opaque != "" || u.User != nil || u.Hostname() == "" {
		return false
	}
	addr, err := netip.ParseAddr(u.Hostname())
	return u.Scheme == "https" || u.Scheme == "http" && err == nil && addr.IsLoopback()
}

// arguments puts the URL into a command.
func arguments(command []string, target string) []string {
	args, placed := make([]string, 0, len(command)), false
	for _, word := range command[1:] {
		placed = placed || strings.Contains(word, "%s")
		args = append(args, strings.ReplaceAll(word, "%s", target))
	}
	if !placed {
		args = append(args, target)
	}
	return args
}

// start runs one command and returns how it failed, if it did at once. It is
// not tied to ctx: a browser that was started stays.
func (b Browser) start(ctx context.Context, command []string, target string) error {
	cmd := exec.Command(command[0], arguments(command, target)...) //nolint:noctx // see above
	cmd.Env = append([]string{}, b.Env...)
	detach(cmd)
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }() // ends with the browser, which may outlive us
	select {
	case err := <-ended:
		return err
	case <-time.After(settle):
	case <-ctx.Done():
	}
	return nil
}

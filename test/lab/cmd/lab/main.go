// Lab starts the world of authsome's end-to-end tests, to try things by hand:
// an upstream that answers for every host name, and a parent proxy that leads
// there. It prints what to set in a shell, and shows on standard error every
// request as it arrives.
//
// In one shell:
//
//	go run ./test/lab/cmd/lab
//
// and what it printed pasted into another; or, in one shell,
//
//	eval "$(go run ./test/lab/cmd/lab -daemon)"
//	echo sk-made-up-key-of-the-lab-0123456789 | authsome login openai --with-token
//	authsome run -- curl -s https://api.openai.com/headers
//	cat "$LAB_LOG"      # the requests, as they arrived
//	kill "$LAB_PID"     # ends the lab and removes its files
//
// The shell gets an AUTHSOME_HOME of its own and this source's authsome first
// in its PATH. Use made-up keys: what arrives is shown in full. See [canned
// answers] for the paths the upstream knows.
//
// [canned answers]: ../../answers.go
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"authsome/test/lab"
)

const usage = `usage: lab [-daemon] [-for DURATION]

Prints shell commands to eval, and serves until it is interrupted.
`

func main() {
	flag.Usage = func() {
		fmt.Fprint(os.Stderr, usage)
		flag.PrintDefaults()
	}
	daemon := flag.Bool("daemon", false, "serve in the background; LAB_PID and LAB_LOG are set")
	lasting := flag.Duration("for", 8*time.Hour, "end after this time")
	logPath := flag.String("log", "", "the `file` standard error goes to, for LAB_LOG (set by -daemon)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, *lasting)
	defer cancel()
	var err error
	if *daemon {
		err = background(*lasting)
	} else {
		err = serve(ctx, *logPath)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		os.Exit(1)
	}
}

// lastLine tells background that the shell commands are complete.
const lastLine = "# end"

// background runs this program once more, prints its shell commands, and
// leaves it running.
func background(lasting time.Duration) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	log, err := os.CreateTemp("", "authsome-lab-*.log")
	if err != nil {
		return err
	}
	cmd := exec.Command(self, "-for", lasting.String(), "-log", log.Name())
	cmd.Stderr = log
	detach(cmd)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if lines.Text() == lastLine {
			return cmd.Process.Release()
		}
		fmt.Println(lines.Text())
	}
	return fmt.Errorf("did not start: %w, see %s", cmd.Wait(), log.Name())
}

func serve(ctx context.Context, logPath string) (err error) {
	l, err := lab.Start()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	home := filepath.Join(l.Dir(), "authsome")
	if err := os.Mkdir(home, 0o700); err != nil {
		return err
	}
	binary, err := lab.Binary()
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab: no authsome in PATH:", err)
	}
	printShell(os.Stdout, l.Env(home), filepath.Dir(binary), logPath)
	watch(ctx, l, os.Stderr)
	if logPath != "" {
		return os.Remove(logPath)
	}
	return nil
}

// printShell prints the commands for a POSIX shell. HOME and TMPDIR stay the
// user's.
func printShell(w io.Writer, env []string, bin, logPath string) {
	_, _ = fmt.Fprintln(w, "unset https_proxy http_proxy all_proxy no_proxy ALL_PROXY NO_PROXY SSL_CERT_DIR DBUS_SESSION_BUS_ADDRESS")
	for _, entry := range env {
		name, value, _ := strings.Cut(entry, "=")
		switch name {
		case "AUTHSOME_HOME", "HTTPS_PROXY", "HTTP_PROXY", "SSL_CERT_FILE":
			_, _ = fmt.Fprintf(w, "export %s=%s\n", name, quote(value))
		}
	}
	if bin != "." {
		_, _ = fmt.Fprintf(w, "export PATH=%s:\"$PATH\"\n", quote(bin))
	}
	if logPath != "" {
		_, _ = fmt.Fprintf(w, "export LAB_PID=%d LAB_LOG=%s\n", os.Getpid(), quote(logPath))
	}
	_, _ = fmt.Fprintln(w, lastLine)
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// watch prints what arrives until ctx is done.
func watch(ctx context.Context, l *lab.Lab, w io.Writer) {
	connects, requests := 0, 0
	for {
		changed := l.Changed()
		for _, c := range l.Connects()[connects:] {
			connects++
			_, _ = fmt.Fprintf(w, "proxy: %s %q %d\n", c.Method, c.Target, c.Status)
		}
		for _, r := range l.Requests()[requests:] {
			requests++
			show(w, r)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

func show(w io.Writer, r lab.Record) {
	_, _ = fmt.Fprintf(w, "upstream: %s %q %s, host %q, through %q, server name %q\n",
		r.Method, r.Target, r.Proto, r.Host, r.Via, r.SNI)
	for _, f := range r.Fields {
		_, _ = fmt.Fprintf(w, "    %q: %q\n", f.Name, f.Value)
	}
}

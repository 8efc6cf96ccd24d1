package cli

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/term"

	"authsome/internal/prompt"
)

// print writes a command's data: one JSON document with --json, else what
// text writes.
func (a *app) print(document any, text func(w io.Writer)) error {
	if !a.json {
		text(a.stdout)
		return a.stdout.err
	}
	e := json.NewEncoder(a.stdout)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(document); err != nil {
		return err
	}
	return a.stdout.err
}

// notice tells on stderr what --quiet and --json leave out.
func (a *app) notice(format string, args ...any) {
	if !a.quiet && !a.json {
		fmt.Fprintln(a.sys.Stderr, prompt.Printable(fmt.Sprintf(format, args...)))
	}
}

// warn tells on stderr what has consequences.
func (a *app) warn(format string, args ...any) {
	fmt.Fprintf(a.sys.Stderr, "%s %s\n", a.colour(yellow, "authsome:", a.sys.Stderr), printableLines(fmt.Sprintf(format, args...)))
}

// printableLines is prompt.Printable for a text of several lines. All but the
// first are indented, so that none passes for a message of its own.
func printableLines(s string) string {
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		lines[i] = prompt.Printable(strings.TrimLeft(line, " "))
	}
	return strings.Join(lines, "\n  ")
}

// Colours, as SGR parameters (ECMA-48 section 8.3.117).
const (
	red    = "31"
	green  = "32"
	yellow = "33"
	dim    = "2"
	bold   = "1"
)

// colour wraps s when f is a terminal that wants colours.
func (a *app) colour(sgr, s string, f *os.File) string {
	if a.noColor || a.getenv("NO_COLOR") != "" || a.getenv("TERM") == "dumb" || !term.IsTerminal(int(f.Fd())) {
		return s
	}
	return "\x1b[" + sgr + "m" + s + "\x1b[0m"
}

// table writes rows in columns; the first row is the heading. Cells are made
// printable. style, which may be nil, colours a whole line.
func (a *app) table(w io.Writer, rows [][]string, style func(row int) string) {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = prompt.Printable(cell)
		}
		fmt.Fprintln(t, strings.Join(cells, "\t"))
	}
	_ = t.Flush()
	for i, line := range strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n") {
		line = strings.TrimRight(line, " ")
		if style != nil && style(i) != "" {
			line = a.colour(style(i), line, a.sys.Stdout)
		}
		fmt.Fprintln(w, line)
	}
}

// when says a time in words: "in 3h", "2d ago".
func when(t, now time.Time) string {
	d := t.Sub(now)
	if d < 0 {
		return span(-d) + " ago"
	}
	return "in " + span(d)
}

func span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

// openLog starts the debug log where --verbose and --log-file want it.
func (a *app) openLog() error {
	var w io.Writer
	if a.verbose {
		w = a.sys.Stderr
	}
	if path := cmp.Or(a.logFile, a.getenv("AUTHSOME_LOG")); path != "" {
		f, err := openLogFile(path)
		if err != nil {
			return fmt.Errorf("--log-file or AUTHSOME_LOG: %w", err)
		}
		w = f // closed by the end of the process
		if a.verbose {
			w = io.MultiWriter(f, a.sys.Stderr)
		}
	}
	if w != nil {
		a.log = slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return nil
}

// logStart is what every line of a debug log starts with.
const logStart = slog.TimeKey + "="

// openLogFile opens a debug log for appending, never through a link. A file
// that holds something else (a key, a vault's record) is refused: one line
// more would destroy it.
func openLogFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, appendFlags, 0o600)
	if err != nil {
		return nil, err
	}
	if err := checkLogFile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func checkLogFile(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", f.Name())
	}
	start := make([]byte, len(logStart))
	n, err := f.ReadAt(start, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if n > 0 && string(start) != logStart {
		return fmt.Errorf("%s exists and is not a debug log", f.Name())
	}
	return nil
}

package main

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// report is the whole of it in Markdown.
func (r *result) report() string {
	var b strings.Builder
	b.WriteString(r.conditions())
	b.WriteString("\n### Goals\n\nThe median over the rounds of the ratio within a round, in parentheses its least and most. Bold is what misses its goal.\n\n")
	b.WriteString("| metric | net/http floor | goal | reached | met |\n|---|---|---|---|---|\n")
	for _, g := range r.goals() {
		b.WriteString(g.String() + "\n")
	}
	b.WriteString("\n### Side by side\n\n" + r.sideBySide() + r.sideBySideMore() + r.failures() + "\n### Start\n\n" + r.starts())
	return b.String()
}

func (r *result) conditions() string {
	m := r.Machine
	var versions []string
	for _, name := range slices.Sorted(maps.Keys(r.Versions)) {
		versions = append(versions, name+" "+strings.TrimSpace(strings.TrimPrefix(strings.TrimPrefix(r.Versions[name], "Mitmproxy:"), "Squid Cache: Version")))
	}
	share := median(r.Share)
	busy := "quiet"
	if share < 0.9 {
		busy = "busy with other things"
	}
	return fmt.Sprintf("%s, %s mode, %d rounds; %d processors (%s), Linux %s, Go %s; %s. The machine was %s: a busy loop got %.0f %% of it (%.0f %% at worst).\n",
		r.Date[:10], r.Mode, r.Rounds, m.Processors, cmp.Or(m.Processor, "unknown"), m.Kernel, m.Go, strings.Join(versions, ", "),
		busy, 100*share, 100*slices.Min(append(r.Share, 1)))
}

// column is one figure of the big table.
type column struct {
	title, workload, figure string
	through                 string // ratio to this contestant, "" for the value
}

func (r *result) sideBySide() string {
	return "Rates are through direct's, latencies and CPU absolute; CPU is the proxy's process alone.\n\n" + r.table([]column{
		{"ka1 p50 µs", "ka1", "p50", ""},
		{"ka16 x direct", "ka16", "rate", direct},
		{"ka16 x mitmproxy", "ka16", "rate", original},
		{"ka16 CPU µs", "ka16", "cpu", ""},
		{"ka128 x direct", "ka128", "rate", direct},
		{"ka128 p99 ms", "ka128", "p99", "ms"},
		{"paced p50 µs", "paced", "p50", ""},
		{"new x direct", "new", "rate", direct},
		{"new CPU µs", "new", "cpu", ""},
		{"resumed", "new", "resumed", ""},
		{"upstream handshakes", "new", "handshakes", ""},
		{"first CPU µs", "first", "cpu", ""},
	})
}

func (r *result) sideBySideMore() string {
	return "\n" + r.table([]column{
		{"down x direct", "down", "rate", direct},
		{"down CPU µs/MiB", "down", "cpu", ""},
		{"up x direct", "up", "rate", direct},
		{"up CPU µs/MiB", "up", "cpu", ""},
		{"grown MiB", "memory", "grown", ""},
		{"SSE first ms", "sse", "first", ""},
		{"SSE p50 µs", "sse", "p50", ""},
		{"h2 x1 x direct", "h2x1", "rate", direct},
		{"h2 x32 x direct", "h2x32", "rate", direct},
		{"h2 x32 CPU µs", "h2x32", "cpu", ""},
		{"unclaimed ka16 x tunnel", "blind16", "rate", splice},
		{"idle MiB", "memory", "idle", ""},
		{"MiB per 1,000 tunnels", "memory", "tunnels", ""},
	})
}

func (r *result) table(columns []column) string {
	var b strings.Builder
	b.WriteString("| |")
	for _, c := range columns {
		b.WriteString(" " + c.title + " |")
	}
	b.WriteString("\n|---|" + strings.Repeat("---:|", len(columns)) + "\n")
	for _, c := range contestants() {
		b.WriteString("| " + c.name + " |")
		for _, col := range columns {
			b.WriteString(" " + r.cell(c.name, col) + " |")
		}
		b.WriteString("\n")
	}
	return b.String()
}

func (r *result) cell(contestant string, c column) string {
	s := r.series(c.workload, contestant)
	switch {
	case s.Error != "" && len(s.Runs) == 0:
		return "failed"
	case c.through == "ms":
		return number(r.value(c.workload, contestant, c.figure) / 1000)
	case c.through != "":
		return number(r.ratio(c.workload, c.figure, contestant, c.through).median)
	case contestant == direct && (c.figure == "cpu" || c.figure == "handshakes"):
		return "–"
	}
	return number(r.value(c.workload, contestant, c.figure))
}

// failures says why there are figures missing.
func (r *result) failures() string {
	var b strings.Builder
	for _, s := range r.Series {
		if s.Error != "" {
			reason := s.Error
			if strings.HasSuffix(reason, "i/o timeout") {
				reason = "no answer in time"
			}
			fmt.Fprintf(&b, "\n%s failed at %s: %s.\n", s.Contestant, s.Workload, reason)
		}
	}
	return b.String()
}

func (r *result) starts() string {
	var b strings.Builder
	b.WriteString("| | wall ms over `true` | CPU ms over `true` |\n|---|---:|---:|\n")
	for _, row := range []struct{ name, title string }{
		{"empty", "an empty Go program"}, {"version", "`authsome version`"}, {ours, "`authsome run -- true`, 177 bundled providers and 51 of the user's"}, {original, "mitmproxy in Python, then `true`"},
	} {
		over := func(figure string) string {
			return r.paired("start", row.name, "true", func(a, t figures) float64 { return a[figure] - t[figure] }).text("")
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", row.title, over("wall"), over("cpu"))
	}
	return b.String()
}

// The part of docs/performance.md that is generated.
const (
	beginMark = "<!-- made by make bench: begin -->\n"
	endMark   = "<!-- made by make bench: end -->\n"
)

// document puts the report into the page, and the plots beside it.
func (r *result) document(docs string) error {
	path := filepath.Join(docs, "performance.md")
	page, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, begins := strings.Cut(string(page), beginMark)
	_, after, ends := strings.Cut(rest, endMark)
	if !begins || !ends {
		return fmt.Errorf("%s has no place for the results", path)
	}
	var pictures strings.Builder
	for _, p := range r.plots() {
		name := "bench-" + p.name + ".svg"
		if err := os.WriteFile(filepath.Join(docs, "images", name), []byte(p.svg()), 0o644); err != nil {
			return err
		}
		fmt.Fprintf(&pictures, "![%s](images/%s)\n", p.title, name)
	}
	text := before + beginMark + r.report() + "\n### Pictures\n\n" + pictures.String() + endMark + after
	return os.WriteFile(path, []byte(text), 0o644)
}

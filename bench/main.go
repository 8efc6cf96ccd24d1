// Command bench measures authsome beside a plain tunnel and other
// intercepting proxies, and prints how it stands to its goals. See
// docs/performance.md for how to run and read it.
//
// Everything but the client is a process of its own. Each round runs each
// workload with each contestant in turn; ratios are those of one round, and
// what is reported is their median.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// options are the command line's.
type options struct {
	quick  bool
	docs   bool
	render string
	only   string
	rounds int
	source string
}

func main() {
	var o options
	flag.BoolVar(&o.quick, "quick", false, "3 short rounds instead of 7: a look, not a result")
	flag.BoolVar(&o.docs, "docs", false, "also write docs/performance.md and its plots")
	flag.StringVar(&o.render, "render", "", "measure nothing: take the results in this `file`")
	flag.StringVar(&o.only, "only", "", "only these workloads and `contestants`, comma-separated; writes nothing")
	flag.IntVar(&o.rounds, "rounds", 0, "how many `rounds`, if not what the mode says")
	flag.StringVar(&o.source, "source", "", "the `folder` of this program's source, if not the working folder")
	flag.Parse()
	code, err := run(o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		code = 1
	}
	os.Exit(code)
}

func run(o options) (int, error) {
	var err error
	if o.source == "" {
		if o.source, err = os.Getwd(); err != nil {
			return 0, err
		}
	}
	if _, err := os.Stat(filepath.Join(o.source, "peer")); err != nil {
		return 0, fmt.Errorf("run this in the bench folder: %w", err)
	}
	if o.render != "" {
		r, err := readResult(o.render)
		if err != nil {
			return 0, err
		}
		return 0, o.publish(r)
	}
	folder := os.Getenv(insideVariable)
	if folder == "" {
		return reexec(o.source)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	r, err := o.measure(ctx, folder)
	if err != nil {
		return 0, err
	}
	return 0, o.publish(r)
}

// publish prints the tables and writes the files.
func (o options) publish(r *result) error {
	fmt.Println(r.report())
	if o.only == "" && o.render == "" {
		path := filepath.Join(o.source, "results", r.Date[:10]+".json")
		if r.Mode != "full" {
			path = filepath.Join(os.TempDir(), "authsome-bench-quick.json")
		}
		if err := r.write(path); err != nil {
			return err
		}
		fmt.Fprintln(os.Stderr, "results in", path)
	}
	if o.docs {
		return r.document(filepath.Join(filepath.Dir(o.source), "docs"))
	}
	return nil
}

// selected reports whether -only lets name take part. A list without any
// name of the kind lets all of it.
func (o options) selected(name string, kind []string) bool {
	wanted := slices.DeleteFunc(strings.Split(o.only, ","), func(n string) bool { return !slices.Contains(kind, n) })
	return len(wanted) == 0 || slices.Contains(wanted, name)
}

// bench is a run under way.
type bench struct {
	options
	*scene
	result      *result
	contestants []contestant
	running     map[string]*running
}

func (o options) measure(ctx context.Context, folder string) (*result, error) {
	scale, mode := 0.7, "full"
	if o.quick {
		scale, mode = 0.25, "quick"
	}
	if o.rounds == 0 {
		o.rounds = map[string]int{"full": 7, "quick": 3}[mode]
	}
	fresh := (o.rounds + 2) * 30
	if err := furnish(folder, fresh); err != nil {
		return nil, err
	}
	w, err := newWorld(ctx, folder, o.source)
	if err != nil {
		return nil, err
	}
	defer w.close()
	if err := w.login(ctx); err != nil {
		return nil, err
	}
	b := &bench{
		options: o, running: map[string]*running{},
		scene:  &scene{world: w, scale: scale, fresh: freshHosts(fresh), taken: map[*running]int{}},
		result: &result{Date: time.Now().UTC().Format(time.RFC3339), Mode: mode, Machine: thisMachine(), Rounds: o.rounds},
	}
	defer b.stopAll()
	b.result.Versions = w.versions(ctx)
	return b.result, b.all(ctx)
}

func (b *bench) all(ctx context.Context) error {
	if err := b.enter(ctx); err != nil {
		return err
	}
	for round := range b.rounds {
		b.result.Share = append(b.result.Share, share())
		if err := b.round(ctx, round); err != nil {
			return err
		}
	}
	b.stopAll()
	for _, part := range []struct {
		name string
		run  func(context.Context) error
	}{{"memory", b.memory}, {"start", b.start}, {"rules", b.rules}} {
		if b.selected(part.name, b.parts()) {
			b.say("%s", part.name)
			if err := part.run(ctx); err != nil {
				return err
			}
		}
	}
	return b.allAuthorized()
}

// enter starts the contestants that are there.
func (b *bench) enter(ctx context.Context) error {
	var names []string
	for _, c := range contestants() {
		names = append(names, c.name)
	}
	for _, c := range contestants() {
		if !b.selected(c.name, names) {
			continue
		}
		if err := c.available(); err != nil {
			return fmt.Errorf("%s is not there (bench/deps installs it): %w", c.name, err)
		}
		r, err := c.start(ctx, b.world)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		b.contestants = append(b.contestants, c)
		b.running[c.name] = r
	}
	return nil
}

// parts are the names that -only takes besides contestants.
func (b *bench) parts() []string {
	names := []string{"memory", "start", "rules"}
	for _, w := range workloads() {
		names = append(names, w.name)
	}
	return names
}

func (b *bench) round(ctx context.Context, round int) error {
	for _, w := range workloads() {
		if !b.selected(w.name, b.parts()) {
			continue
		}
		b.say("round %d of %d: %s", round+1, b.rounds, w.name)
		for _, c := range b.contestants {
			s := b.result.series(w.name, c.name)
			if !w.fits(c) || s.Error != "" {
				continue
			}
			if err := b.one(ctx, w, c, s); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// one makes one measurement. A contestant that fails at a workload is started
// again and does not take part in it any more; authsome has to stand.
func (b *bench) one(ctx context.Context, w workload, c contestant, s *series) error {
	runtime.GC() // the client's garbage is nobody's cost
	f, err := w.measure(ctx, b.scene, b.running[c.name])
	if s.add(f, err); err == nil {
		return nil
	}
	if c.name == ours || c.name == direct || ctx.Err() != nil {
		return fmt.Errorf("%s with %s: %w", w.name, c.name, err)
	}
	b.say("%s with %s: %v", w.name, c.name, err)
	b.running[c.name].stop()
	b.running[c.name], err = c.start(ctx, b.world)
	return err
}

func (b *bench) memory(ctx context.Context) error {
	tunnels, rounds := 1000, 2
	if b.quick {
		tunnels, rounds = 200, 1
	}
	for range rounds {
		for _, c := range b.contestants {
			if c.name != direct {
				b.result.series("memory", c.name).add(b.resident(ctx, c, tunnels))
			}
		}
	}
	return nil
}

func (b *bench) start(ctx context.Context) error {
	for range 1 + b.rounds { // the first is the warm-up
		for _, t := range starters() {
			f, err := t.measure(ctx, b.world)
			if err != nil {
				return err
			}
			b.result.series("start", t.name).add(f, nil)
		}
	}
	for _, t := range starters() {
		s := b.result.series("start", t.name)
		s.Runs = s.Runs[1:]
	}
	return nil
}

func (b *bench) rules(ctx context.Context) error {
	f, err := rules(ctx, b.world)
	b.result.series("rules", ours).add(f, err)
	return err
}

// allAuthorized fails if one request came without the credential: then what
// was measured is not what is claimed.
func (b *bench) allAuthorized() error {
	c, err := b.counters()
	if err != nil {
		return err
	}
	if c.Unauthorized > 0 {
		return fmt.Errorf("%d of %d requests reached the upstream without the credential", c.Unauthorized, c.Requests)
	}
	b.say("%d requests, all with the credential", c.Requests)
	return nil
}

func (b *bench) stopAll() {
	for name, r := range b.running {
		r.stop()
		delete(b.running, name)
	}
}

func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, time.Now().Format("15:04:05 ")+format+"\n", args...)
}

// versions are those of all that is compared.
func (w *world) versions(ctx context.Context) map[string]string {
	first := func(cmd *exec.Cmd) string {
		out, _ := cmd.Output()
		line, _, _ := strings.Cut(string(out), "\n")
		return strings.TrimSpace(line)
	}
	module := func(path string) string {
		cmd := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Version}}", path)
		cmd.Dir = w.source
		return first(cmd)
	}
	commit := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty")
	commit.Dir = w.source
	return map[string]string{
		ours: first(commit), original: first(w.command(ctx, "mitmdump", "--version")), "squid": first(w.command(ctx, "/usr/sbin/squid", "-v")),
		"goproxy": module("github.com/elazarl/goproxy"), "martian": module("github.com/google/martian/v3"),
	}
}

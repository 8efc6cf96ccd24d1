package main

import (
	"context"
	"net/http"
	"os/exec"
	"regexp"
	"strconv"
	"time"
)

// resident measures memory in processes that did nothing before, in MiB: idle
// after the start; how far 100 MiB down and up drive it; and what 1,000 idle
// tunnels add.
func (s *scene) resident(ctx context.Context, c contestant, tunnels int) (figures, error) {
	f := figures{}
	for _, part := range []func(context.Context, *running, figures) error{
		growth,
		func(ctx context.Context, r *running, f figures) error { return idle(ctx, r, f, tunnels) },
	} {
		r, err := c.start(ctx, s.world)
		if err != nil {
			return f, err
		}
		err = part(ctx, r, f)
		r.stop()
		if err != nil {
			return f, err
		}
	}
	return f, nil
}

// idle opens tunnels of which each has had one request.
func idle(ctx context.Context, r *running, f figures, tunnels int) error {
	time.Sleep(time.Second)
	f["idle"] = r.memory("VmRSS")
	conns, err := open(ctx, r.client, claimed, tunnels, r.client.head(http.MethodGet, claimed, "/v1/models"))
	if err != nil {
		return err
	}
	defer closeAll(conns)
	time.Sleep(2 * time.Second)
	f["tunnels"] = (r.memory("VmRSS") - f["idle"]) * 1000 / float64(tunnels)
	return nil
}

// growth moves large bodies. A proxy that can't in time has no figure.
func growth(ctx context.Context, r *running, f figures) error {
	conns, err := open(ctx, r.client, claimed, 1, r.client.head(http.MethodGet, claimed, "/v1/models"))
	if err != nil {
		return err
	}
	defer closeAll(conns)
	_ = conns[0].SetDeadline(time.Now().Add(patience / 4))
	r.forgetPeak()
	before := r.memory("VmRSS")
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		if move(conns[0], r.client, method, claimed) != nil {
			return nil
		}
	}
	f["grown"] = r.memory("VmHWM") - before
	return nil
}

// starter is a program whose whole run is measured.
type starter struct {
	name string
	cmd  func(context.Context, *world) *exec.Cmd
}

func starters() []starter {
	run := func(args ...string) func(context.Context, *world) *exec.Cmd {
		return func(ctx context.Context, w *world) *exec.Cmd { return w.command(ctx, args[0], args[1:]...) }
	}
	return []starter{
		{"true", run("/bin/true")},
		{"empty", run("empty")},
		{"version", run(ours, "version")},
		{ours, run(ours, "run", "--", "/bin/true")},
		{original, func(ctx context.Context, w *world) *exec.Cmd {
			cmd := w.command(ctx, "/usr/bin/python3", w.source+"/peer/mitmproxy/run.py", "/bin/true")
			cmd.Env = append(cmd.Env, "BENCH_SECRET="+w.secret, "BENCH_CONFDIR="+w.path("mitmproxy"), "PYTHONDONTWRITEBYTECODE=1")
			return cmd
		}},
	}
}

// measure runs the program once. Figures are in ms.
func (t starter) measure(ctx context.Context, w *world) (figures, error) {
	cost, err := timed(t.cmd(ctx, w))
	return figures{"wall": micro(cost.wall) / 1000, "cpu": micro(cost.cpu) / 1000}, err
}

// rules runs the product's own benchmark of host rules three times. Figures
// are in ns, the least of each: what else runs on the machine only adds.
func rules(ctx context.Context, w *world) (figures, error) {
	out, err := w.command(ctx, "rules.test", "-test.run", "^$", "-test.bench", "^BenchmarkLookup$", "-test.benchtime", "200ms", "-test.count", "3").Output()
	if err != nil {
		return nil, err
	}
	f := figures{}
	for _, m := range regexp.MustCompile(`(?m)^BenchmarkLookup/(\S+?)(?:-\d+)?\s+\d+\s+([\d.]+) ns/op`).FindAllStringSubmatch(string(out), -1) {
		ns, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			return nil, err
		}
		if least, ok := f[m[1]]; !ok || ns < least {
			f[m[1]] = ns
		}
	}
	return f, nil
}

package main

import (
	"fmt"
	"math"
	"strings"
)

// goal is a row of the table: what was set out to be reached, and what was.
type goal struct {
	metric, floor, goal string
	parts               []reached
}

// reached is one figure of a goal.
type reached struct {
	text string
	met  bool
}

func (g goal) verdict() string {
	for _, p := range g.parts {
		if !p.met {
			return "no"
		}
	}
	return "yes"
}

func (g goal) String() string {
	var texts []string
	for _, p := range g.parts {
		text := p.text
		if !p.met {
			text = "**" + text + "**"
		}
		texts = append(texts, text)
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %s |", g.metric, g.floor, g.goal, strings.Join(texts, "; "), g.verdict())
}

// atLeast and atMost compare a median with the goal. No measurement meets
// none.
func atLeast(s spread, bound float64, what string) reached {
	return reached{s.text(what), s.median >= bound}
}

func atMost(s spread, bound float64, what string) reached {
	return reached{s.text(what), s.median <= bound}
}

// text is the median, what it is of, and the extremes.
func (s spread) text(what string) string {
	switch {
	case math.IsNaN(s.median):
		return "not measured"
	case s.least == s.most:
		return number(s.median) + what
	}
	return fmt.Sprintf("%s%s (%s to %s)", number(s.median), what, number(s.least), number(s.most))
}

// number is v with as many digits as it deserves.
func number(v float64) string {
	switch a := math.Abs(v); {
	case math.IsNaN(v):
		return "–"
	case a >= 100:
		return fmt.Sprintf("%.0f", v)
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	case a == 0:
		return "0"
	case a < 0.1:
		return fmt.Sprintf("%.3f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}

// one is a figure of ours, round by round.
func (r *result) one(workload, figure string) spread {
	return r.paired(workload, ours, ours, func(f, _ figures) float64 { return f[figure] })
}

// shareOfBest is our processor time through that of the Go peer that needs
// least.
func (r *result) shareOfBest(workload string) spread {
	best := goPeers()[0]
	for _, peer := range goPeers() {
		if r.value(workload, peer, "cpu") < r.value(workload, best, "cpu") {
			best = peer
		}
	}
	return r.ratio(workload, "cpu", ours, best)
}

// addedDelay is what the proxy adds to direct's median, through what the
// original adds.
func (r *result) addedDelay(workload string) spread {
	none := r.series(workload, direct).Runs
	round := -1
	return r.paired(workload, ours, original, func(a, b figures) float64 {
		round++
		return (a["p50"] - none[round]["p50"]) / (b["p50"] - none[round]["p50"])
	})
}

func (r *result) goals() []goal {
	return append(r.trafficGoals(), r.processGoals()...)
}

func (r *result) trafficGoals() []goal {
	toDirect := func(workload string) spread { return r.ratio(workload, "rate", ours, direct) }
	totalShare := r.paired("ka16", ours, direct, func(a, d figures) float64 { return a["cpu"] / d["ends"] })
	first := r.paired("sse", ours, direct, func(a, d figures) float64 { return a["first"] - d["first"] })
	added := r.paired("sse", ours, direct, func(a, d figures) float64 { return (a["p50"] - d["p50"]) / 1000 })
	return []goal{
		{"16 connections keep-alive, requests/s", "11x mitmproxy, 0.33x direct", ">= 16x mitmproxy and >= 0.50x direct", []reached{
			atLeast(r.ratio("ka16", "rate", ours, original), 16, "x mitmproxy"), atLeast(toDirect("ka16"), 0.5, "x direct"),
		}},
		{"CPU per request", "1.8x direct's total", "<= 1.0x direct's total, <= 0.5x the best Go peer", []reached{
			atMost(totalShare, 1, "x direct's total"), atMost(r.shareOfBest("ka16"), 0.5, "x the best Go peer"),
		}},
		{"added p50 at 1 connection", "0.15x mitmproxy's", "<= 0.10x mitmproxy's", []reached{atMost(r.addedDelay("ka1"), 0.1, "x")}},
		{"new connection, known host", "0.82x direct", ">= 0.80x direct, 0 upstream handshakes, >= 99 % resumed", []reached{
			atLeast(toDirect("new"), 0.8, "x direct"), atMost(r.one("new", "handshakes"), 0, " handshakes"), atLeast(r.one("new", "resumed"), 0.99, " resumed"),
		}},
		{"new connection, first sight of a host (CPU)", "1/5 of mitmproxy's", "<= 1/6 of mitmproxy's", []reached{
			atLeast(r.ratio("first", "cpu", original, ours), 6, "x less"),
		}},
		{"100 MiB down / up", "0.50x / 0.47x direct", ">= 0.55x direct both, memory grows <= 8 MiB", []reached{
			atLeast(toDirect("down"), 0.55, "x down"), atLeast(toDirect("up"), 0.55, "x up"),
			atMost(r.one("memory", "grown"), 8, " MiB"),
		}},
		{"server-sent events", "+0.16 ms p50", "each before the next is sent; first <= direct + 1 ms; <= 0.1 ms added", []reached{
			atMost(r.one("sse", "late"), 0, " late"), atMost(first, 1, " ms to the first"), atMost(added, 0.1, " ms added"),
		}},
		{"host nobody claims", "a plain tunnel", ">= 0.95x a plain tunnel", []reached{
			atLeast(r.ratio("blind16", "rate", ours, splice), 0.95, "x requests"), atLeast(r.ratio("blinddown", "rate", ours, splice), 0.95, "x download"),
		}},
	}
}

func (r *result) processGoals() []goal {
	over := func(name, figure string) spread {
		return r.paired("start", name, "true", func(a, t figures) float64 { return a[figure] - t[figure] })
	}
	started, empty, theirs := over(ours, "cpu"), over("empty", "cpu"), over(original, "cpu")
	wall := over(ours, "wall").median / over(original, "wall").median
	perEmpty := started.median / empty.median
	return []goal{
		{"memory", "8.4 MiB idle, 38 MiB per 1,000 idle tunnels", "<= 14 MiB idle, <= 30 MiB per 1,000", []reached{
			atMost(r.one("memory", "idle"), 14, " MiB idle"), atMost(r.one("memory", "tunnels"), 30, " MiB per 1,000"),
		}},
		{"`run -- true` minus `true`", "0.02x mitmproxy's", "<= 0.02x mitmproxy's, <= 3x an empty Go program", []reached{
			{fmt.Sprintf("%sx mitmproxy's wall time, %sx its CPU", number(wall), number(started.median/theirs.median)), wall <= 0.02},
			{fmt.Sprintf("%sx an empty program's CPU (%s ms against %s ms)", number(perEmpty), number(started.median), number(empty.median)), perEmpty <= 3},
		}},
		{"rules, 10,000 providers", "map 50 ns; regex scan 14.8 ms", "<= 100 ns a request, first sight of a host <= 0.2 ms", []reached{
			atMost(r.one("rules", "n=10000/again/exact"), 100, " ns exact"), atMost(r.one("rules", "n=10000/again/miss"), 100, " ns miss"),
			atMost(r.one("rules", "n=10000/first"), 200_000, " ns at first sight"),
		}},
	}
}

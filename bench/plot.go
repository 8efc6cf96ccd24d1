package main

import (
	"fmt"
	"math"
	"strings"
)

// plot is a picture with one bar for each contestant.
type plot struct {
	name, title, unit string
	bars              []bar
	goal              float64 // a line; 0 for none
}

type bar struct {
	name  string
	value float64
}

// plots are the pictures of a result.
func (r *result) plots() []plot {
	ratio := func(workload, figure, through string) []bar {
		return r.bars(func(name string) float64 { return r.ratio(workload, figure, name, through).median })
	}
	value := func(workload, figure string) []bar {
		return r.bars(func(name string) float64 { return r.value(workload, name, figure) })
	}
	return []plot{
		{"requests", "Requests/s over 16 keep-alive connections", "x direct, more is better", ratio("ka16", "rate", direct), 0.5},
		{"cpu", "CPU per request", "µs of the proxy, less is better", value("ka16", "cpu"), 0},
		{"connections", "New connections/s to a known host", "x direct, more is better", ratio("new", "rate", direct), 0.8},
		{"download", "100 MiB down", "x direct, more is better", ratio("down", "rate", direct), 0.55},
		{"memory", "Memory of 1,000 idle tunnels", "MiB, less is better", value("memory", "tunnels"), 30},
	}
}

func (r *result) bars(value func(string) float64) []bar {
	var bars []bar
	for _, c := range contestants() {
		if v := value(c.name); !math.IsNaN(v) && (c.name != direct || v != 0) {
			bars = append(bars, bar{c.name, v})
		}
	}
	return bars
}

const (
	plotWidth, labelWidth, valueWidth = 640, 90, 60
	rowHeight, titleHeight            = 26, 52
)

// svg draws the plot.
func (p plot) svg() string {
	most := p.goal
	for _, b := range p.bars {
		most = max(most, b.value)
	}
	scale := (plotWidth - labelWidth - valueWidth) / max(most, math.SmallestNonzeroFloat32)
	height := titleHeight + rowHeight*len(p.bars) + 10
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="sans-serif" font-size="13" role="img">
<title>%s</title>
<rect width="100%%" height="100%%" fill="#fff"/>
<text x="10" y="22" font-size="15" font-weight="bold" fill="#222">%s</text>
<text x="10" y="40" fill="#666">%s</text>
`, plotWidth, height, plotWidth, height, p.title, p.title, p.caption())
	for i, row := range p.bars {
		y := titleHeight + rowHeight*i
		colour := "#9ab"
		if row.name == ours {
			colour = "#d50"
		}
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end" fill="#222">%s</text><rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/><text x="%.1f" y="%d" fill="#222">%s</text>
`, labelWidth-8, y+15, row.name, labelWidth, y, row.value*scale, rowHeight-6, colour, labelWidth+row.value*scale+6, y+15, number(row.value))
	}
	if p.goal > 0 {
		x := labelWidth + p.goal*scale
		fmt.Fprintf(&b, `<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" stroke="#080" stroke-dasharray="4 3"/>
`, x, x, titleHeight-6, height-8)
	}
	return b.String() + "</svg>\n"
}

func (p plot) caption() string {
	if p.goal == 0 {
		return p.unit
	}
	return fmt.Sprintf("%s; the line is the goal, %s", p.unit, number(p.goal))
}

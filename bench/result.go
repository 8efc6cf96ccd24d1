package main

import (
	"encoding/json"
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// result is everything one run of the benchmark found.
type result struct {
	Date     string
	Mode     string // full or quick
	Machine  machine
	Versions map[string]string
	Rounds   int
	// Share is what part of all processors a busy loop got, at the start of
	// each round: 1 on a machine with nothing else to do.
	Share  []float64
	Series []*series
}

type machine struct {
	Processor, Kernel, Go string
	Processors            int
}

// series is one contestant at one workload, round by round.
type series struct {
	Workload, Contestant string
	Runs                 []figures
	Error                string `json:",omitempty"` // why there are no more
}

func (r *result) series(workload, contestant string) *series {
	for _, s := range r.Series {
		if s.Workload == workload && s.Contestant == contestant {
			return s
		}
	}
	s := &series{Workload: workload, Contestant: contestant}
	r.Series = append(r.Series, s)
	return s
}

// add keeps a measurement, or why there is none.
func (s *series) add(f figures, err error) {
	if err != nil {
		s.Error = err.Error()
		return
	}
	for name, v := range f {
		f[name] = significant(v)
	}
	s.Runs = append(s.Runs, f)
}

// significant is v with four digits: more say nothing.
func significant(v float64) float64 {
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 4, 64), 64)
	return rounded
}

// value is the median of one figure, NaN without measurements.
func (r *result) value(workload, contestant, figure string) float64 {
	var all []float64
	for _, f := range r.series(workload, contestant).Runs {
		if v, ok := f[figure]; ok {
			all = append(all, v)
		}
	}
	return median(all)
}

// spread is a median with its extremes.
type spread struct{ median, least, most float64 }

// paired computes something of two contestants round by round.
func (r *result) paired(workload, a, b string, compute func(a, b figures) float64) spread {
	x, y := r.series(workload, a).Runs, r.series(workload, b).Runs
	var all []float64
	for i := range min(len(x), len(y)) {
		all = append(all, compute(x[i], y[i]))
	}
	if len(all) == 0 {
		return spread{math.NaN(), math.NaN(), math.NaN()}
	}
	return spread{median(all), slices.Min(all), slices.Max(all)}
}

// ratio is a's figure through b's, paired.
func (r *result) ratio(workload, figure, a, b string) spread {
	return r.paired(workload, a, b, func(x, y figures) float64 { return x[figure] / y[figure] })
}

func median(all []float64) float64 {
	if len(all) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(all))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

func (r *result) write(path string) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	text = []byte(strings.ReplaceAll(string(text), `{"Workload"`, "\n"+`{"Workload"`))
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

func readResult(path string) (*result, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := new(result)
	return r, json.Unmarshal(text, r)
}

func thisMachine() machine {
	var name unix.Utsname
	_ = unix.Uname(&name)
	m := machine{Processors: runtime.NumCPU(), Go: strings.TrimPrefix(runtime.Version(), "go"), Kernel: unix.ByteSliceToString(name.Release[:])}
	info, _ := os.ReadFile("/proc/cpuinfo")
	if _, rest, ok := strings.Cut(string(info), "model name\t: "); ok {
		m.Processor, _, _ = strings.Cut(rest, "\n")
	}
	return m
}

// share spins on every processor for a moment and reports what part of them
// it got.
func share() float64 {
	const during = 200 * time.Millisecond
	n := runtime.NumCPU()
	before, end := ownCPU(), time.Now().Add(during)
	_ = parallel(n, func(int) error {
		for time.Now().Before(end) {
		}
		return nil
	})
	return significant(float64(ownCPU()-before) / float64(during) / float64(n))
}

package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// process is a child of the benchmark whose cost is measured.
type process struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Reader
	errors tail
	helped bool // its children work for it
}

// launch starts a program that lives until its standard input ends.
func launch(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd}
	var err error
	if p.stdin, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.stdout = bufio.NewReader(out)
	cmd.Stderr = &p.errors
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return p, nil
}

// line is the next line the program prints.
func (p *process) line() (string, error) {
	text, err := p.stdout.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", filepath.Base(p.cmd.Path), err, p.errors.String())
	}
	return strings.TrimSpace(text), nil
}

// stop ends the program, politely at first.
func (p *process) stop() {
	if p == nil {
		return
	}
	_ = p.stdin.Close()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	force := time.AfterFunc(3*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer force.Stop()
	_ = p.cmd.Wait()
}

// pids are the processes whose cost counts.
func (p *process) pids() []int {
	pids := []int{p.cmd.Process.Pid}
	if !p.helped {
		return pids
	}
	children := map[int][]int{}
	paths, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range paths {
		if pid, parent, err := parentOf(path); err == nil {
			children[parent] = append(children[parent], pid)
		}
	}
	for i := 0; i < len(pids); i++ {
		pids = append(pids, children[pids[i]]...)
	}
	return pids
}

func parentOf(path string) (pid, parent int, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, 0, err
	}
	_, rest, _ := bytes.Cut(data, []byte(") "))
	var state string
	if _, err := fmt.Sscan(string(rest), &state, &parent); err != nil {
		return 0, 0, err
	}
	pid, err = strconv.Atoi(filepath.Base(filepath.Dir(path)))
	return pid, parent, err
}

// cpu is the processor time used so far, from the process clock. A helper
// that ended takes its time with it.
func (p *process) cpu() time.Duration {
	if p == nil {
		return 0
	}
	var total time.Duration
	for _, pid := range p.pids() {
		total += clock(int32(^pid<<3 | 2)) // CPUCLOCK_SCHED of the process
	}
	return total
}

// ownCPU is the processor time of the benchmark itself, which is the client.
func ownCPU() time.Duration { return clock(unix.CLOCK_PROCESS_CPUTIME_ID) }

// monotonic is the machine's clock, which upstream and client share.
func monotonic() int64 { return int64(clock(unix.CLOCK_MONOTONIC)) }

func clock(id int32) time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(id, &t); err != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// memory reads a line of /proc/PID/status, in MiB: VmRSS or VmHWM.
func (p *process) memory(field string) float64 {
	total := 0.0
	for _, pid := range p.pids() {
		data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		_, rest, _ := bytes.Cut(data, []byte(field+":"))
		var kib float64
		_, _ = fmt.Sscan(string(rest), &kib)
		total += kib / 1024
	}
	return total
}

// forgetPeak makes VmHWM begin again at what is resident.
func (p *process) forgetPeak() {
	for _, pid := range p.pids() {
		_ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0)
	}
}

// tail keeps the end of what a program says, for when it fails.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	t.text = t.text[max(0, len(t.text)-2000):]
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}

// command is the cost of one whole run of a program.
type command struct {
	wall, cpu time.Duration
}

// timed runs a program to its end.
func timed(cmd *exec.Cmd) (command, error) {
	var said tail
	cmd.Stderr = &said
	start := time.Now()
	err := cmd.Run()
	wall := time.Since(start)
	if err != nil {
		return command{}, errors.Join(fmt.Errorf("%s: %w", cmd.Path, err), errors.New(said.String()))
	}
	return command{wall, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}, nil
}

//go:build linux

package matrix_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// A worker is a process with a world of its own, which runs one client at a
// time.
type worker struct {
	cmd    *exec.Cmd
	orders *json.Encoder
	input  io.Closer
	output *json.Decoder
}

// hire starts n workers and returns a channel from which to take one, and to
// which to give it back. They end with the test, each after it has looked at
// what was left behind.
func hire(t *testing.T, world, binary string, n int) chan *worker {
	t.Helper()
	free := make(chan *worker, n)
	for range n {
		w, err := startWorker(world, binary)
		if err != nil {
			t.Fatal(err)
		}
		free <- w
		t.Cleanup(func() {
			if err := w.dismiss(); err != nil {
				t.Error(err)
			}
		})
	}
	return free
}

func startWorker(world, binary string) (*worker, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self)
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin", workerVariable + "=" + world, binaryVariable + "=" + binary}
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return &worker{cmd, json.NewEncoder(in), in, json.NewDecoder(out)}, cmd.Start()
}

func (w *worker) run(c client) (report, error) {
	var r report
	err := w.orders.Encode(c)
	if err == nil {
		err = w.output.Decode(&r)
	}
	return r, err
}

// dismiss ends the worker. What it finds left behind is its error.
func (w *worker) dismiss() error {
	err := w.input.Close()
	var left []string
	if decodeErr := w.output.Decode(&left); decodeErr != nil {
		err = errors.Join(err, fmt.Errorf("last words of a worker: %w", decodeErr))
	}
	for _, what := range left {
		err = errors.Join(err, errors.New(what))
	}
	return errors.Join(err, w.cmd.Wait())
}

// work is the worker's side.
func work(name string) (err error) {
	w, err := newWorld(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	orders, answers := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var c client
		if err := orders.Decode(&c); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		r, err := w.run(c)
		if err == nil {
			err = answers.Encode(r)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", c.Name, err)
		}
	}
	left, err := w.left()
	return errors.Join(err, answers.Encode(left))
}

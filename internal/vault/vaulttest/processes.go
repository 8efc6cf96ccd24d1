package vaulttest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"authsome/internal/vault"
)

// The location and the part that the test's own binary, started again, plays.
const (
	locationVariable = "VAULTTEST_LOCATION"
	partVariable     = "VAULTTEST_PART"
)

const (
	processes = 4
	writers   = 25 // in each process
	rounds    = 4
)

// Processes checks what vault.Store promises to several processes. It starts
// the test binary again to run the calling test alone, which comes back to
// Processes with the same open and plays its part there.
func Processes(t *testing.T, open Open) {
	if location := os.Getenv(locationVariable); location != "" {
		play(t, must(open(location))(t), os.Getenv(partVariable))
		return
	}
	location := filepath.Join(t.TempDir(), "home", "store")
	s := must(open(location))(t)
	t.Run("V018_parallel writers in processes", func(t *testing.T) { processesWrite(t, s, location) })
	t.Run("no lost update", func(t *testing.T) { processesCount(t, s, location) })
	t.Run("a killed holder lets go", func(t *testing.T) { processKilled(t, s, location) })
}

func play(t *testing.T, s vault.Store, part string) {
	verb, number, _ := strings.Cut(part, "-")
	switch verb {
	case "write":
		write(t, s, number)
	case "count":
		for range rounds * writers {
			count(t, s)
		}
	case "hold":
		must(s.Lock(t.Context(), "held"))(t)
		wantErr(t, s.Put(t.Context(), "holding", []byte("x")), nil)
		select {} // until killed
	default:
		t.Fatalf("no part %q", part)
	}
}

func write(t *testing.T, s vault.Store, process string) {
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			for round := range rounds {
				name := fmt.Sprintf("p%s-w%d", process, i)
				if err := s.Put(t.Context(), name, []byte(strconv.Itoa(round))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// count adds one to a number, which locking alone makes safe.
func count(t *testing.T, s vault.Store) {
	unlock := must(s.Lock(t.Context(), "count"))(t)
	defer unlock()
	old, _ := s.Get(t.Context(), "count")
	n, _ := strconv.Atoi(string(old))
	wantErr(t, s.Put(t.Context(), "count", []byte(strconv.Itoa(n+1))), nil)
}

func processesWrite(t *testing.T, s vault.Store, location string) {
	before := must(s.Version(t.Context()))(t)
	all(t, location, "write")
	got := contents(t, s)
	for p := range processes {
		for i := range writers {
			if name := fmt.Sprintf("p%d-w%d", p, i); got[name] != strconv.Itoa(rounds-1) {
				t.Errorf("%s is %q, want the last round's %d", name, got[name], rounds-1)
			}
		}
	}
	if after := must(s.Version(t.Context()))(t); after == before {
		t.Error("the version does not tell of other processes' changes")
	}
}

func processesCount(t *testing.T, s vault.Store, location string) {
	all(t, location, "count")
	got := string(must(s.Get(t.Context(), "count"))(t))
	if want := strconv.Itoa(processes * rounds * writers); got != want {
		t.Errorf("counted to %s, want %s", got, want)
	}
}

func processKilled(t *testing.T, s vault.Store, location string) {
	cmd := again(t, location, "hold-0")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if _, err := s.Get(t.Context(), "holding"); err == nil {
			break
		} else if time.Now().After(deadline) {
			t.Error("the holder never got its lock")
			break
		}
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	must(s.Lock(t.Context(), "held"))(t)()
}

// all plays one part in several processes at once.
func all(t *testing.T, location, verb string) {
	var wg sync.WaitGroup
	for p := range processes {
		cmd := again(t, location, fmt.Sprintf("%s-%d", verb, p))
		wg.Go(func() {
			if out, err := cmd.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("--- PASS")) {
				t.Errorf("process %d: %v\n%s", p, err, out)
			}
		})
	}
	wg.Wait()
}

// again is the test binary running the outermost test only.
func again(t *testing.T, location, part string) *exec.Cmd {
	test, _, _ := strings.Cut(t.Name(), "/")
	cmd := exec.CommandContext(t.Context(), must(os.Executable())(t), "-test.v", "-test.run=^"+regexp.QuoteMeta(test)+"$")
	cmd.Env = append(os.Environ(), locationVariable+"="+location, partVariable+"="+part)
	return cmd
}

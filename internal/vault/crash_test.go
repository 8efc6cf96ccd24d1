//go:build linux || darwin

package vault_test

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"authsome/internal/vault"
)

const (
	crashWriters = 4 // processes at a time
	crashRounds  = 15
	crashKeys    = 3 // records of each writer
)

// V004: writers that are killed at random moments lose nothing they were told
// is safe, and nobody ever reads a record that was not written whole.
func TestVault_V004_kill(t *testing.T) {
	if part, ok := childOf(t); ok {
		crashWrite(t, part)
		return
	}
	o := options(t)
	create(t, o)
	acknowledged := make([]map[string]int, crashWriters)
	for i := range acknowledged {
		acknowledged[i] = map[string]int{}
	}
	for round := range crashRounds {
		var wg sync.WaitGroup
		for i := range crashWriters {
			cmd := child{Home: fmt.Sprintf("%d %d %s", i, round, home(o))}.command(t)
			wg.Go(func() { kill(t, cmd, acknowledged[i]) })
		}
		wg.Wait()
		survived(t, o, acknowledged)
	}
	total := 0
	for _, a := range acknowledged {
		total += len(a)
	}
	if total != crashWriters*crashKeys {
		t.Errorf("only %d records were ever acknowledged", total)
	}
}

// V004: so is it with rekeys that are killed at random moments.
func TestRekey_V004_kill(t *testing.T) {
	if part, ok := childOf(t); ok {
		rekeyForever(t, part)
		return
	}
	o := options(t)
	want := furnished(t, create(t, o))
	for range crashRounds {
		cmd := child{Home: home(o)}.command(t)
		kill(t, cmd, map[string]int{})
		v, err := vault.Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		wantContents(t, v, o, want)
		if n := recordFiles(t, o); n != len(want) {
			t.Errorf("%d record files after a look, want %d", n, len(want))
		}
	}
}

func rekeyForever(t *testing.T, home string) {
	o := vault.Options{Dir: filepath.Join(home, "vault"), KeyFile: filepath.Join(home, "vault.key")}
	v, err := vault.Open(t.Context(), o)
	for n := 1; err == nil; n++ {
		fmt.Println("wrote rekey", n)
		err = v.Rekey(t.Context(), vault.Change{})
	}
	fmt.Println("broken", err)
}

// crashWrite writes rising numbers until killed, and says what is done.
func crashWrite(t *testing.T, part string) {
	fields := strings.SplitN(part, " ", 3)
	o := vault.Options{Dir: filepath.Join(fields[2], "vault"), KeyFile: filepath.Join(fields[2], "vault.key")}
	v, err := vault.Open(t.Context(), o)
	if err != nil {
		fmt.Println("broken", err)
		return
	}
	for n := 1; ; n++ {
		key := fmt.Sprintf("w%s-k%d", fields[0], n%crashKeys)
		err := v.Update(t.Context(), "p", key, func(old []byte) ([]byte, error) {
			last, _, _ := strings.Cut(string(old), " ")
			count, _ := strconv.Atoi(last)
			return fmt.Appendf(nil, "%d %s", count+1, strings.Repeat("x", count%5*997)), nil
		})
		data, err2 := v.Get(t.Context(), "p", key)
		if err != nil || err2 != nil {
			fmt.Println("broken", err, err2)
			return
		}
		count, _, _ := strings.Cut(string(data), " ")
		fmt.Println("wrote", key, count)
	}
}

// kill lets a writer run for a moment after its first word.
func kill(t *testing.T, cmd *exec.Cmd, acknowledged map[string]int) {
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Error(err)
		return
	}
	var once sync.Once
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var key string
		var count int
		if strings.HasPrefix(lines.Text(), "broken") {
			t.Error(lines.Text())
		}
		if n, _ := fmt.Sscanf(lines.Text(), "wrote %s %d", &key, &count); n == 2 {
			acknowledged[key] = count
			once.Do(func() {
				time.AfterFunc(time.Duration(5+rand.IntN(40_000))*time.Microsecond, func() { _ = cmd.Process.Kill() })
			})
		}
	}
	_, _ = io.Copy(io.Discard, out)
	_ = cmd.Wait()
}

func survived(t *testing.T, o vault.Options, acknowledged []map[string]int) {
	t.Helper()
	v, err := vault.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	records, err := v.List(t.Context(), "p", "")
	wantErr(t, err, nil)
	got := map[string]int{}
	for _, r := range records {
		count, padding, _ := strings.Cut(string(r.Data), " ")
		n, err := strconv.Atoi(count)
		if err != nil || len(padding) != (n-1)%5*997 {
			t.Errorf("%s was not written whole", r.Key)
		}
		got[r.Key] = n
	}
	for _, a := range acknowledged {
		for key, count := range a {
			if got[key] < count {
				t.Errorf("%s is %d, but %d was acknowledged", key, got[key], count)
			}
		}
	}
}

// V021: a copy taken while others write opens, with every record old or new.
func TestVault_V021_copy(t *testing.T) {
	o := options(t)
	v := create(t, o)
	keys := []string{"a", "b", "c"}
	for _, key := range keys {
		put(t, v, "p", key, "0")
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for _, key := range keys {
		wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				if err := v.Put(t.Context(), "p", key, []byte(strings.Repeat(strconv.Itoa(n%10), 1+n*531%20_000))); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 30 {
		backup := options(t)
		if err := copyTree(home(o), home(backup)); err != nil {
			t.Fatal(err)
		}
		v, err := vault.Open(t.Context(), backup)
		if err != nil {
			t.Fatal(err)
		}
		records, err := v.List(t.Context(), "p", "")
		if err != nil || len(records) != len(keys) {
			t.Errorf("%d records in the copy, error %v", len(records), err)
		}
	}
	close(stop)
	wg.Wait()
}

//go:build linux

package matrix_test

import (
	"flag"
	"os"
	"testing"
	"time"

	"authsome/test/lab"
)

// workers is how many clients run at a time, in a process with nothing else to
// do: go test's -parallel.
func workers() int { return flag.Lookup("test.parallel").Value.(flag.Getter).Get().(int) }

// TestMatrix: each client's request arrives once, with the credential once,
// and nothing goes around the proxy; those known not to be served are not.
func TestMatrix(t *testing.T) {
	t.Parallel()
	binary := lab.Build(t)
	for _, name := range []string{plain, corporate} {
		t.Run(name, func(t *testing.T) {
			free := hire(t, name, binary, workers())
			t.Run("R001", func(t *testing.T) {
				for i, c := range clients() {
					if (c.Full || name == corporate && i%3 != 0) && os.Getenv("MATRIX_FULL") == "" {
						continue
					}
					t.Run(c.Name, func(t *testing.T) {
						t.Parallel()
						w := <-free
						defer func() { free <- w }()
						r, err := w.run(c)
						if err != nil {
							t.Fatal(err)
						}
						if got, want := r.outcome(), c.Want; got != want || want == "" && r.Requests != max(c.Times, 1) {
							t.Errorf("outcome %q, want %q: %s", got, want, r)
						}
						t.Log(r.Took.Round(time.Millisecond))
					})
				}
			})
		})
	}
}

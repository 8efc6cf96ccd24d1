package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"authsome/internal/broker"
)

// TestUnauthorized: an API that does not take a credential is told of once,
// after the use was recorded.
func TestUnauthorized(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stderr")
	stderr, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer stderr.Close()
	s := &stage{app: &app{sys: System{Stderr: stderr}, noColor: true}, warned: map[string]bool{}}
	var recorded []int
	use := broker.Use{Provider: "acme", Connection: "work", Done: func(status int, _ error) { recorded = append(recorded, status) }}
	for _, status := range []int{200, 403, 401, 401} {
		s.noticing("api.acme.test", use)(status, nil)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := "authsome: api.acme.test answered 401 to the credential of acme/work"
	if strings.Count(string(text), "\n") != 1 || !strings.HasPrefix(string(text), want) || len(recorded) != 4 {
		t.Errorf("%v %q", recorded, text)
	}
}

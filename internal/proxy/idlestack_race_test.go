//go:build race

package proxy

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestIdleStack is of the build that users have: the race detector's frames are
// so long that a stack is twice the size, whatever it holds.
func TestIdleStack(t *testing.T) {
	cmd := exec.Command("go", "test", "-count=1", "-v", "-run=^TestIdleStack$", ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestIdleStack") {
		t.Errorf("%v\n%s", err, out)
	}
}

package lab_test

import (
	"os/exec"
	"strings"
	"testing"

	"authsome/test/lab"
)

func TestBuild(t *testing.T) {
	path := lab.Build(t)
	if again := lab.Build(t); again != path {
		t.Errorf("%s, then %s", path, again)
	}
	l := lab.New(t)
	cmd := exec.Command(path, "--help")
	cmd.Env = l.Env(t.TempDir())
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "authsome") {
		t.Errorf("error %v: %s", err, out)
	}
}

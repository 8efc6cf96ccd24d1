package child

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

// Limits is empty: Harden changes nothing on Windows.
type Limits struct{}

// Harden does nothing on Windows.
func Harden() (Limits, error) { return Limits{}, nil }

// LookPath finds the file that name runs: name itself when it has a separator,
// else the first on the given PATH, with the usual extensions. Entries of PATH
// that are relative are passed over, and the current folder is never searched.
// The error wraps ErrNotFound.
func LookPath(name, pathVar string) (string, error) {
	dirs := filepath.SplitList(pathVar)
	if strings.ContainsAny(name, `:\/`) {
		dirs = []string{""}
	}
	for _, dir := range dirs {
		file := filepath.Join(dir, name)
		if dir != "" && !filepath.IsAbs(file) || name == "" {
			continue
		}
		for _, ext := range []string{"", ".com", ".exe", ".bat", ".cmd"} {
			if ext == "" && filepath.Ext(name) == "" {
				continue
			}
			if info, err := os.Stat(file + ext); err == nil && !info.IsDir() {
				return file + ext, nil
			}
		}
	}
	return "", fmt.Errorf("%q: %w", name, ErrNotFound)
}

// Run runs c and returns its exit code, or the code of ExitCode along with the
// error when it did not start. Ctrl-C and Ctrl-Break reach the child from the
// console and don't end us. The end of ctx ends the child, and so does ours,
// however it comes, where the system lets us tie it to us.
func (c *Cmd) Run(ctx context.Context) (code int, err error) {
	sigs := make(chan os.Signal, 1)
	signal.Notify(sigs, os.Interrupt, syscall.SIGTERM) // the latter stands for the console's end
	defer signal.Stop(sigs)
	cmd := exec.CommandContext(ctx, c.Path)
	cmd.Args, cmd.Env, cmd.Dir = c.Args, c.Env, c.Dir
	cmd.WaitDelay = cmp.Or(c.killDelay, killDelay)
	if c.Stdin != nil {
		cmd.Stdin = c.Stdin
	}
	if c.Stdout != nil {
		cmd.Stdout = c.Stdout
	}
	if c.Stderr != nil {
		cmd.Stderr = c.Stderr
	}
	if err := cmd.Start(); err != nil {
		if !errors.Is(err, os.ErrNotExist) {
			err = fmt.Errorf("%w: %w", ErrNotExecutable, err)
		} else {
			err = fmt.Errorf("%w: %w", ErrNotFound, err)
		}
		return ExitCode(err), err
	}
	tied, err := tie(cmd.Process.Pid)
	_ = cmd.Wait() // says what ExitCode does
	if err == nil {
		tied.release()
	}
	return cmd.ProcessState.ExitCode(), nil
}

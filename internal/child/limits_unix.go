//go:build unix

package child

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Limits are what Harden changed of ours and a child must have back.
type Limits struct {
	core    unix.Rlimit
	lowered bool
}

// Harden keeps our memory to ourselves: no core file, and on Linux no other
// process of the same user reads or traces it (/proc/PID/mem, environ, maps;
// ptrace). It must come before any secret is in memory, and on Linux after any
// user namespace is set up. The child of a Cmd with these Limits is as it
// would be without.
func Harden() (Limits, error) {
	if err := denyTracing(); err != nil {
		return Limits{}, fmt.Errorf("deny tracing: %w", err)
	}
	var l Limits
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &l.core); err != nil {
		return Limits{}, fmt.Errorf("core limit: %w", err)
	}
	if err := l.lower(); err != nil {
		return Limits{}, err
	}
	l.lowered = true
	return l, nil
}

func (l Limits) lower() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{Max: l.core.Max}); err != nil {
		return fmt.Errorf("core limit: %w", err)
	}
	return nil
}

// lift sets the original limit for the moment of a fork, so that the child
// starts with it. On Linux no core is written meanwhile: we are not dumpable.
func (l Limits) lift() (lower func(), err error) {
	if !l.lowered {
		return func() {}, nil
	}
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &l.core); err != nil {
		return nil, fmt.Errorf("core limit: %w", err)
	}
	// What has just been allowed can't be refused.
	return func() { _ = l.lower() }, nil
}

package child

import (
	"errors"
	"os"
	"time"
)

// ErrNotFound is wrapped when a command is nowhere on the path.
var ErrNotFound = errors.New("command not found")

// ErrNotExecutable is wrapped when a command exists but can't be started: a
// folder, a file without the permission, of no known format or with a missing
// interpreter, too long a list of arguments.
var ErrNotExecutable = errors.New("can't be executed")

// Exit codes of a run whose command did not start, as in POSIX shells.
const (
	ExitFailed        = 125 // authsome itself failed
	ExitNotExecutable = 126
	ExitNotFound      = 127
)

// ExitCode returns the exit code for an error of LookPath or Run.
func ExitCode(err error) int {
	switch {
	case errors.Is(err, ErrNotFound):
		return ExitNotFound
	case errors.Is(err, ErrNotExecutable):
		return ExitNotExecutable
	default:
		return ExitFailed
	}
}

// killDelay is what a child has between SIGTERM and SIGKILL once the context
// of its run has ended.
const killDelay = 10 * time.Second

// Cmd is a command to run once.
type Cmd struct {
	Path string   // the file, as LookPath returns it
	Args []string // the whole argument vector: Args[0] is the name as typed
	Env  []string // the whole environment, as of Environment
	Dir  string   // working directory; "" is ours

	// Standard streams; nil is the null device. The child gets the files
	// themselves, nothing is copied. Any other descriptor that was open when
	// authsome started is inherited too, none that authsome opened is. Where a
	// standard stream was closed, the Go runtime has put the null device before
	// anything of ours could take its number.
	Stdin, Stdout, Stderr *os.File

	Limits Limits // of Harden: what the child gets back

	killDelay time.Duration // for tests; 0 is the constant
}

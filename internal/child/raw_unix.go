//go:build unix

package child

import (
	"os"

	"golang.org/x/sys/unix"
)

// IsRaw reports whether f is a terminal that does not edit lines: a program has
// its screen for itself.
func IsRaw(f *os.File) bool {
	if f == nil {
		return false
	}
	state, err := unix.IoctlGetTermios(int(f.Fd()), getTermios)
	return err == nil && state.Lflag&unix.ICANON == 0
}

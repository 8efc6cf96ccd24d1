package child

import (
	"os"

	"golang.org/x/sys/windows"
)

// IsRaw reports whether f is a console that does not edit lines: a program has
// its screen for itself.
func IsRaw(f *os.File) bool {
	if f == nil {
		return false
	}
	var mode uint32
	input, err := windows.GetStdHandle(windows.STD_INPUT_HANDLE)
	if err != nil || windows.GetConsoleMode(windows.Handle(f.Fd()), &mode) != nil || windows.GetConsoleMode(input, &mode) != nil {
		return false // an output of ours, or the input, is no console
	}
	return mode&windows.ENABLE_LINE_INPUT == 0
}

//go:build !unix

package prompt

import "golang.org/x/term"

// handleStop does nothing: there is no job control here.
func handleStop(int, *term.State, func()) func() { return func() {} }

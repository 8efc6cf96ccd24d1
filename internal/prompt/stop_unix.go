//go:build unix

package prompt

import (
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// handleStop gives the terminal back while the process is stopped: a shell
// leaves the modes as it finds them, and a key typed after `fg` would show.
// The function it returns ends the handling.
func handleStop(fd int, normal *term.State, again func()) func() {
	stops := make(chan os.Signal, 1)
	signal.Notify(stops, unix.SIGTSTP)
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-quit:
				return
			case <-stops:
				hidden, err := term.GetState(fd)
				_ = term.Restore(fd, normal)
				_ = unix.Kill(unix.Getpid(), unix.SIGSTOP)
				if err == nil {
					_ = term.Restore(fd, hidden)
				}
				again()
			}
		}
	}()
	return func() {
		signal.Stop(stops)
		close(quit)
		<-done
	}
}

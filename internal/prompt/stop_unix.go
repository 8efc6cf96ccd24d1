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
				stopSelf(quit)
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

// stopSelf stops the process and returns when it goes on. The signal may come
// to another thread a little later, so kill(2) returning says nothing.
func stopSelf(quit <-chan struct{}) {
	continued := make(chan os.Signal, 1)
	signal.Notify(continued, unix.SIGCONT)
	defer signal.Stop(continued)
	_ = unix.Kill(unix.Getpid(), unix.SIGSTOP)
	select {
	case <-continued:
	case <-quit:
	}
}

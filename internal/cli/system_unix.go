//go:build unix

package cli

import (
	"io/fs"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// appendFlags open a log file: never through a link, never waiting on a pipe.
const appendFlags = os.O_RDWR | os.O_APPEND | os.O_CREATE | unix.O_NOFOLLOW | unix.O_NONBLOCK

// terminalPath is the terminal of the process, wherever its streams lead.
const terminalPath = "/dev/tty"

// homeVariable is where the user's own folder is.
const homeVariable = "HOME"

// tempVariables may name the folder for temporary files.
func tempVariables() []string { return []string{"TMPDIR"} }

// lastTempDir is it where no variable names one.
func (*app) lastTempDir() string { return "/tmp" }

// sameVariable reports whether two names are those of one variable.
func sameVariable(a, b string) bool { return a == b }

// ownedByUs reports whether a file is the user's.
func ownedByUs(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}

// openToOthers reports whether the mode lets other users in.
func openToOthers(info fs.FileInfo) bool { return info.Mode().Perm()&0o077 != 0 }

// endGroup has the command and all that it started end when its context does.
func endGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}

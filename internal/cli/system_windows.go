package cli

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// appendFlags open a log file.
const appendFlags = os.O_RDWR | os.O_APPEND | os.O_CREATE

// terminalPath is the console of the process, wherever its streams lead.
const terminalPath = "CONIN$"

// homeVariable is where the user's own folder is.
const homeVariable = "USERPROFILE"

// tempVariables may name the folder for temporary files, as GetTempPath looks
// for it.
func tempVariables() []string { return []string{"TMP", "TEMP"} }

// lastTempDir is it where no variable names one: the user's, whose access list
// keeps others out.
func (a *app) lastTempDir() string {
	return filepath.Join(a.getenv("USERPROFILE"), "AppData", "Local", "Temp")
}

// sameVariable reports whether two names are those of one variable.
func sameVariable(a, b string) bool { return strings.EqualFold(a, b) }

// ownedByUs is always true: a folder below the user's own inherits its access
// list, which has no owner or mode to look at.
func ownedByUs(fs.FileInfo) bool { return true }

// openToOthers is always false, for the same reason.
func openToOthers(fs.FileInfo) bool { return false }

// endGroup leaves the command to end by itself, which is what Windows can do
// without a job.
func endGroup(*exec.Cmd) {}

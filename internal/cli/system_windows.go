package cli

import (
	"io/fs"
	"os"
)

// appendFlags open a log file.
const appendFlags = os.O_RDWR | os.O_APPEND | os.O_CREATE

// ownedByUs is always true: a folder below the user's own inherits its access
// list, which has no owner or mode to look at.
func ownedByUs(fs.FileInfo) bool { return true }

// openToOthers is always false, for the same reason.
func openToOthers(fs.FileInfo) bool { return false }

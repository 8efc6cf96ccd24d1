package cli

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// release is the version of this tree; a build from a tagged module says its
// own.
const release = "0.1.0-dev"

func version() string {
	info, ok := debug.ReadBuildInfo()
	if ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return release
}

func newVersion(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Long:    "Print the version.\n" + exitCodes(0),
		Example: "  authsome version --json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			document := map[string]string{"version": version(), "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH}
			return a.print(document, func(w io.Writer) { fmt.Fprintf(w, "authsome version %s\n", version()) })
		},
	}
}

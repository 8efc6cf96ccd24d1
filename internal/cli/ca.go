package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

// caVariable tells programs inside a run where the authority's certificate is.
const caVariable = "AUTHSOME_CA_FILE"

func newCA(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "ca",
		Short: "Show or install the certificate authority of runs",
		Long: `A run has a certificate authority of its own, made when it starts. Its key is in
memory only and it is good for the providers' hosts and for nothing else. Most
programs find it by themselves. Those that have to be told are told with show and
path, used inside a run; for those that read a trust store and nothing else there
is install.
` + exitCodes(0, 1, 2),
		Example: "  authsome run -- authsome ca path\n  authsome run -- sh -c 'mytool --cacert \"$(authsome ca path)\"'",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newCAShow(a), &cobra.Command{
		Use: "path", Short: "Print the path of the run's CA certificate", Long: "Print the path of the run's CA certificate.\n" + exitCodes(0, 1, 2),
		Example: "  authsome run -- authsome ca path", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.caPath() },
	}, newCAInstall(a), newCAUninstall(a), newCAStatus(a))
	return c
}

func newCAShow(a *app) *cobra.Command {
	var spki bool
	c := &cobra.Command{
		Use:   "show",
		Short: "Print the run's CA certificate (PEM)",
		Long: `Print the run's CA certificate (PEM).

With --spki, print the hashes of the keys of the certificates below it instead,
for a Chromium with a profile of its own.
` + exitCodes(0, 1, 2),
		Example: `  authsome run -- authsome ca show | openssl x509 -text
  authsome run -- sh -c 'chromium --user-data-dir="$(mktemp -d)" \
    --ignore-certificate-errors-spki-list="$(authsome ca show --spki)" https://api.openai.com/'`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if spki {
				return a.caSPKI()
			}
			return a.caShow()
		},
	}
	c.Flags().BoolVar(&spki, "spki", false, "print the base64 SHA-256 of each key that the run's certificates have, separated by commas")
	return c
}

func (a *app) caFile() (string, error) {
	path := a.getenv(caVariable)
	if path == "" {
		return "", &hinted{errors.New("no run is active here: a certificate authority lives as long as its run"), "authsome run -- authsome ca path"}
	}
	return path, nil
}

func (a *app) caPath() error {
	path, err := a.caFile()
	if err != nil {
		return err
	}
	return a.print(map[string]string{"path": path}, func(w io.Writer) { fmt.Fprintln(w, path) })
}

func (a *app) caShow() error {
	path, err := a.caFile()
	if err != nil {
		return err
	}
	pem, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return a.print(map[string]string{"path": path, "pem": string(pem)}, func(w io.Writer) { _, _ = w.Write(pem) })
}

func (a *app) caSPKI() error {
	path, err := a.caFile()
	if err != nil {
		return err
	}
	keys, err := os.ReadFile(filepath.Join(filepath.Dir(path), spkiFile))
	if err != nil {
		return err
	}
	return a.print(map[string][]string{"spki": strings.Split(string(keys), ",")}, func(w io.Writer) { fmt.Fprintf(w, "%s\n", keys) })
}

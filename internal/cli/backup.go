package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"authsome/internal/audit"
	"authsome/internal/vault"
)

type backupOptions struct {
	recipients   []string
	stdin, force bool
}

func newBackup(a *app) *cobra.Command {
	var o backupOptions
	c := &cobra.Command{
		Use:   "backup FILE",
		Short: "Write everything the vault holds into one encrypted file",
		Long: `Write everything the vault holds into one encrypted file: all connections of all
profiles, OAuth apps and custom providers. A passphrase or an age identity opens it.
restore reads it on any machine, whatever its key source; so does age, should
authsome be gone. The audit log is not in it.
` + exitCodes(0, 1, 2, 7, 8),
		Example: `  authsome backup authsome.age
  authsome backup authsome.age --recipient age1...
  pass show backup | authsome backup authsome.age --passphrase-stdin --force`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if o.stdin && len(o.recipients) > 0 {
				return usage(c, errors.New("a passphrase or recipients, not both"))
			}
			return a.backup(c.Context(), args[0], o)
		},
	}
	f := c.Flags()
	f.StringArrayVar(&o.recipients, "recipient", nil, "encrypt to this age `RECIPIENT` (repeatable) instead of with a passphrase")
	f.BoolVar(&o.stdin, "passphrase-stdin", false, "read the passphrase from standard input")
	f.BoolVar(&o.force, "force", false, "replace a file that is there")
	return c
}

func (a *app) backup(ctx context.Context, path string, o backupOptions) error {
	h, err := a.home()
	if err != nil {
		return err
	}
	v, err := a.openVault(ctx, h)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(path); err == nil && !o.force { // before anybody types a passphrase
		return fmt.Errorf("%s: %w", path, vault.ErrExists)
	}
	b := vault.Backup{Made: time.Now()}
	if b.Entries, err = v.Entries(ctx); err != nil {
		return err
	}
	if b.Files, err = definitionFiles(h); err != nil {
		return err
	}
	key := vault.BackupKey{Recipients: o.recipients, UI: a.vaultOptions(h).AgeUI()}
	if len(o.recipients) == 0 {
		if key.Passphrase, err = a.newPassphrase(ctx, o.stdin, "the backup"); err != nil {
			return err
		}
	}
	if err := a.recordVault(h, audit.Backup, path); err != nil {
		return err
	}
	sealed, err := vault.SealBackup(b, key)
	if err != nil {
		return err
	}
	if err := vault.WriteBackup(path, sealed, o.force); err != nil {
		return err
	}
	document := map[string]any{"status": "backed_up", "file": path, "records": len(b.Entries), "definitions": len(b.Files)}
	return a.print(document, func(w io.Writer) {
		fmt.Fprintf(w, "Wrote %d record(s) and %d custom provider(s) to %s\n", len(b.Entries), len(b.Files), path)
	})
}

// definitionFiles are the custom definitions, by file name.
func definitionFiles(h home) (map[string][]byte, error) {
	entries, err := os.ReadDir(h.providers())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	files := map[string][]byte{}
	for _, e := range entries {
		if filepath.Ext(e.Name()) != ".json" {
			continue
		}
		if files[e.Name()], err = readFile(filepath.Join(h.providers(), e.Name())); err != nil {
			return nil, fmt.Errorf("definition: %w", err)
		}
	}
	return files, nil
}

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"authsome/internal/audit"
	"authsome/internal/provider"
	"authsome/internal/vault"
)

type restoreOptions struct {
	identity     string
	stdin, force bool
}

func newRestore(a *app) *cobra.Command {
	var o restoreOptions
	c := &cobra.Command{
		Use:   "restore FILE",
		Short: "Put back what backup has written",
		Long: `Put back what backup has written: all of it, in the place of what the vault holds,
or nothing. A vault that holds anything is left alone without --force. It keeps its
key source; where there is no vault one is made, as by the first login. A file
that was altered or cut, or that a newer authsome wrote, is refused.
` + exitCodes(0, 1, 2, 7, 8),
		Example: `  authsome restore authsome.age
  authsome restore authsome.age --identity ~/.config/age/identity.txt
  authsome restore authsome.age --force`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if o.stdin && o.identity != "" {
				return usage(c, errors.New("a passphrase or an identity, not both"))
			}
			return a.restore(c.Context(), args[0], o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.identity, "identity", "", "the age identity `FILE` for a backup made with --recipient")
	f.BoolVar(&o.stdin, "passphrase-stdin", false, "read the passphrase from standard input")
	f.BoolVar(&o.force, "force", false, "replace all that the vault holds, and definitions of the same names")
	return c
}

func (a *app) restore(ctx context.Context, path string, o restoreOptions) error {
	h, err := a.home()
	if err != nil {
		return err
	}
	b, err := a.readBackup(ctx, h, path, o)
	if err != nil {
		return err
	}
	registry, err := a.registry(h)
	if err != nil {
		return err
	}
	present, err := definitionFiles(h)
	if err != nil {
		return err
	}
	if err := checkDefinitions(b.Files, present, o.force); err != nil {
		return err
	}
	v, err := a.emptyVault(ctx, h, o.force)
	if err != nil {
		return err
	}
	if err := a.recordVault(h, audit.Restore, path); err != nil {
		return err
	}
	put, err := putDefinitions(registry, b.Files)
	if err == nil {
		err = v.Replace(ctx, b.Entries)
	}
	if err != nil {
		return errors.Join(err, takeBack(registry, put, present))
	}
	document := map[string]any{"status": "restored", "file": path, "records": len(b.Entries), "definitions": len(b.Files)}
	return a.print(document, func(w io.Writer) {
		fmt.Fprintf(w, "Put back %d record(s) and %d custom provider(s) of %s.\n", len(b.Entries), len(b.Files), b.Made.Local().Format("2006-01-02 15:04"))
	})
}

func (a *app) readBackup(ctx context.Context, h home, path string, o restoreOptions) (vault.Backup, error) {
	sealed, err := vault.ReadBackup(path)
	if err != nil {
		return vault.Backup{}, err
	}
	key := vault.BackupKey{UI: a.vaultOptions(h).AgeUI()}
	switch {
	case o.identity != "":
		key.Identity, err = filepath.Abs(o.identity)
	case o.stdin:
		key.Passphrase, err = a.readSecret(ctx)
	default:
		key.Passphrase, err = a.askHidden(ctx, "Passphrase", "the backup")
		err = withHint(err, "--passphrase-stdin reads it from standard input; --identity opens a backup made with --recipient")
	}
	if err != nil {
		return vault.Backup{}, err
	}
	b, err := vault.OpenBackup(sealed, key)
	if errors.Is(err, vault.ErrWrongKey) || errors.Is(err, vault.ErrDamaged) {
		err = &hinted{fmt.Errorf("%s: %w", path, err), "nothing was changed"}
	}
	return b, err
}

// checkDefinitions refuses a file that is no definition of its name, and
// without force one that would replace another.
func checkDefinitions(files, present map[string][]byte, force bool) error {
	for name, data := range files {
		def, unknown, err := provider.Parse(data)
		if err := mistakes(unknown, err); err != nil {
			return fmt.Errorf("definition %q of the backup: %w", name, err)
		}
		if name != def.Name+".json" {
			return fmt.Errorf("definition %q of the backup: %w: it is of provider %s", name, vault.ErrDamaged, def.Name)
		}
		if old, ok := present[name]; ok && !force && string(old) != string(data) {
			return fmt.Errorf("custom provider %s: %w", def.Name, vault.ErrExists)
		}
	}
	return nil
}

// emptyVault opens or makes the vault, which without force has to be empty.
func (a *app) emptyVault(ctx context.Context, h home, force bool) (*vault.Vault, error) {
	v, err := a.createVault(ctx, h)
	if err != nil || force {
		return v, err
	}
	entries, err := v.Entries(ctx)
	if err == nil && len(entries) > 0 {
		err = fmt.Errorf("a vault with %d record(s) %w", len(entries), vault.ErrExists)
	}
	return v, err
}

func putDefinitions(registry *provider.Registry, files map[string][]byte) (put []string, err error) {
	for name, data := range files {
		def, err := registry.Register(data, true)
		if err != nil {
			return put, fmt.Errorf("definition %q: %w", name, err)
		}
		put = append(put, def.Name)
	}
	return put, nil
}

// takeBack undoes putDefinitions.
func takeBack(registry *provider.Registry, put []string, present map[string][]byte) error {
	var errs []error
	for _, name := range put {
		var err error
		if old, ok := present[name+".json"]; ok {
			_, err = registry.Register(old, true)
		} else {
			err = registry.Remove(name)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

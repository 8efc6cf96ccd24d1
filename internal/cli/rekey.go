package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"authsome/internal/audit"
	"authsome/internal/secret"
	"authsome/internal/vault"
)

type rekeyOptions struct {
	source, identity string
	stdin            bool
}

// keySources are those that `rekey --source` takes.
func keySources() []string {
	return []string{vault.SourceKeyring, vault.SourceFile, vault.SourceEnv, vault.SourcePassphrase, vault.SourceAge}
}

func newRekey(a *app) *cobra.Command {
	var o rekeyOptions
	c := &cobra.Command{
		Use:   "rekey",
		Short: "Make a new vault key, re-encrypt everything, and choose where the key is kept",
		Long: `Make a new key for the vault and re-encrypt every record with it. The old key opens
nothing that is there afterwards. All of it is done or nothing; runs that are under
way go on with the new key, unless it is behind a question that nobody can answer
there.

--source says where the key is kept from now on:
  keyring     the OS keyring
  file        vault.key in the home folder: as safe as the folder is
  env         AUTHSOME_MASTER_KEY, which you keep
  passphrase  nowhere: it is derived from what you type (Argon2id)
  age         encrypted to the age identity in --identity, also one of a plugin
              (a hardware key)
Without --source it stays where it is. Where there is no vault yet, --source makes
one.
` + exitCodes(0, 1, 2, 7, 8),
		Example: `  authsome rekey
  authsome rekey --source passphrase
  authsome rekey --source age --identity ~/.config/age/identity.txt
  openssl rand -base64 32 | authsome rekey --source env --key-stdin`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.rekey(c, o) },
	}
	f := c.Flags()
	f.StringVar(&o.source, "source", "", "keep the key in `SOURCE`: "+strings.Join(keySources(), ", "))
	f.StringVar(&o.identity, "identity", "", "with --source age, the identity `FILE`; it stays where it is")
	f.BoolVar(&o.stdin, "key-stdin", false, "read the new passphrase or master key from standard input")
	_ = c.RegisterFlagCompletionFunc("source", cobra.FixedCompletions(keySources(), cobra.ShellCompDirectiveNoFileComp))
	return c
}

func (a *app) rekey(c *cobra.Command, o rekeyOptions) error {
	ctx := c.Context()
	if o.source != "" && !slices.Contains(keySources(), o.source) {
		return usage(c, fmt.Errorf("no key source %q; there are %s", o.source, strings.Join(keySources(), ", ")))
	}
	h, err := a.home()
	if err != nil {
		return err
	}
	v, err := a.vaultToRekey(ctx, h, o.source)
	if err != nil {
		return err
	}
	from, _ := v.Source()
	to := o.source
	if to == "" {
		to = from
	}
	change, err := a.keyChange(ctx, from, to, o)
	if err != nil {
		return err
	}
	if err := a.recordVault(h, audit.Rekey, from+" to "+to); err != nil {
		return err
	}
	if err := v.Rekey(ctx, change); err != nil {
		return fmt.Errorf("rekey: %w", err)
	}
	name, where := v.Source()
	document := map[string]string{"status": "rekeyed", "key_source": name, "key_location": where}
	return a.print(document, func(w io.Writer) {
		fmt.Fprintf(w, "Everything is encrypted with a new key, which is kept in: %s\n", where)
		if name == vault.SourceEnv {
			fmt.Fprintln(w, "Set AUTHSOME_MASTER_KEY to it from now on.")
		}
	})
}

func (a *app) vaultToRekey(ctx context.Context, h home, source string) (*vault.Vault, error) {
	if source != "" {
		return a.createVault(ctx, h)
	}
	v, err := a.openVault(ctx, h)
	if errors.Is(err, vault.ErrNoVault) {
		err = &hinted{err, "the first login makes it; or authsome rekey --source SOURCE"}
	}
	return v, err
}

// keyChange collects what the key source that is changed to needs.
func (a *app) keyChange(ctx context.Context, from, to string, o rekeyOptions) (vault.Change, error) {
	change := vault.Change{Source: to}
	var err error
	switch to {
	case vault.SourcePassphrase:
		change.Passphrase, err = a.newPassphrase(ctx, o.stdin, theVault)
	case vault.SourceEnv:
		change.Key, err = a.newMasterKey(ctx, from, o.stdin)
	case vault.SourceAge:
		if o.identity != "" {
			change.Identity, err = filepath.Abs(o.identity)
		} else if from != vault.SourceAge {
			err = fmt.Errorf("%w: --source age needs --identity FILE", errUsage)
		}
	}
	return change, err
}

// newMasterKey is the variable's value when the vault does not use it yet.
func (a *app) newMasterKey(ctx context.Context, from string, stdin bool) (secret.Text, error) {
	value := secret.New(a.getenv(masterKeyVariable))
	switch {
	case stdin:
		return a.readSecret(ctx)
	case from != vault.SourceEnv && !value.IsZero():
		return value, nil
	}
	key, err := a.askHidden(ctx, "New value of "+masterKeyVariable, theVault)
	return key, withHint(err, "openssl rand -base64 32 | authsome rekey --source env --key-stdin")
}

// recordVault writes down that something is about to be done to all of the
// vault.
func (a *app) recordVault(h home, event, detail string) error {
	log, err := openAudit(h)
	if err != nil {
		return err
	}
	_, err = log.Append(audit.Entry{Event: event, Detail: detail})
	return errors.Join(err, log.Close())
}

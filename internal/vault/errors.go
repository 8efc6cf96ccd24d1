package vault

import (
	"errors"
	"fmt"
	"io/fs"
)

// Errors of the store. Each is wrapped with the file it is about.
var (
	ErrNotFound    = errors.New("no such record")
	ErrInvalidName = errors.New("invalid record name")
	ErrTooLarge    = errors.New("record too large")
	ErrBusy        = errors.New("record is in use by another authsome")
	// ErrPermissions: others may read or write the file, or it is not ours.
	ErrPermissions = errors.New("insecure permissions")
	// ErrIrregular: a link, pipe, device or folder stands where a file belongs.
	ErrIrregular = errors.New("not a plain file of our own")
	ErrReadOnly  = errors.New("vault is not writable")
	ErrNoSpace   = errors.New("no space left for the vault")
)

// Errors of the vault above the store.
var (
	ErrNoVault          = errors.New("no vault")
	ErrDamaged          = errors.New("damaged")
	ErrSwapped          = errors.New("record in another record's place")
	ErrNewerFormat      = errors.New("written by a newer authsome")
	ErrUnknownAlgorithm = errors.New("unknown algorithm")
)

// Errors of the key sources.
var (
	// ErrWrongKey: the key is well formed and is not this vault's, or the
	// header was rewritten on purpose; the two can't be told apart.
	ErrWrongKey   = errors.New("wrong key")
	ErrKeyMissing = errors.New("key is missing")
	ErrKeyFormat  = errors.New("malformed key")
	// ErrKeyring: the OS keyring is absent, locked, denies, or does not answer.
	ErrKeyring = errors.New("OS keyring is unavailable")
	ErrSource  = errors.New("unknown key source")
	// ErrKeyThere: a key file that this vault does not use stands in the way.
	ErrKeyThere = errors.New("there is a key already that is not this vault's")
	// ErrLocked: the key needs a human, who is not there or did not answer.
	ErrLocked = errors.New("vault is locked")
)

// storeError names what the operating system refused. Errors it has no
// sentinel for are returned as they are; they name their path already.
func storeError(err error) error {
	switch {
	case err == nil:
		return nil
	case isNoSpace(err):
		return fmt.Errorf("%w: %w", ErrNoSpace, err)
	case isReadOnly(err), errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: %w", ErrReadOnly, err)
	}
	return err
}

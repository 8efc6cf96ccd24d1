package vault

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"authsome/internal/secret"
)

// Options say where a vault is and how its key is kept.
type Options struct {
	Dir     string // the vault's folder; it and its parent are ours alone
	KeyFile string // where key source "file" keeps its key
	// MasterKey is the value of AUTHSOME_MASTER_KEY, zero when unset.
	MasterKey secret.Text
	// SessionBus is the value of DBUS_SESSION_BUS_ADDRESS, empty when unset.
	SessionBus string
	// Ask gets a passphrase or a hardware key's PIN from the human, who is told
	// what for; nil when there is nobody.
	Ask func(ctx context.Context, what string) (secret.Text, error)
	// Tell shows the human what a hardware key says ("touch me"); may be nil.
	Tell func(message string)
	// Source is the key source a new vault gets; empty is SourceAuto. A vault
	// that exists keeps the one it was made with, whatever Source says.
	Source string
	// Store replaces Dir when not nil.
	Store Store
}

// Open opens a vault that exists. It writes nothing, and returns ErrNoVault
// when there is none.
func Open(ctx context.Context, o Options) (*Vault, error) {
	store, err := o.open()
	if err != nil {
		return nil, err
	}
	return o.load(ctx, store)
}

// OpenOrCreate opens a vault, and makes it when there is none; of two that do
// so at once, one makes it and both open it. Source auto uses AUTHSOME_MASTER_KEY
// when it is set, else a key file that is there already, else the OS keyring,
// else a new key file; Created and Fallback tell what happened. An error may
// leave folders, and a key file that the next attempt takes up.
func OpenOrCreate(ctx context.Context, o Options) (*Vault, error) {
	v, err := Open(ctx, o)
	if !errors.Is(err, ErrNoVault) {
		return v, err
	}
	store, err := o.create()
	if err != nil {
		return nil, err
	}
	unlock, err := store.Lock(ctx, headerName)
	if err != nil {
		return nil, err
	}
	defer unlock()
	v, err = o.load(ctx, store)
	if !errors.Is(err, ErrNoVault) {
		return v, err
	}
	return o.found(ctx, store)
}

func (o Options) open() (Store, error) {
	if o.Store != nil {
		return o.Store, nil
	}
	return OpenDir(o.Dir)
}

func (o Options) create() (Store, error) {
	if o.Store != nil {
		return o.Store, nil
	}
	return CreateDir(o.Dir)
}

// opening is what a vault's header opened to, at one time.
type opening struct {
	header []byte
	keys   keys
	source KeySource
	key    secret.Text // the source's
}

func (o Options) load(ctx context.Context, store Store) (*Vault, error) {
	at, err := o.unlock(ctx, store)
	if err != nil {
		return nil, err
	}
	return &Vault{store: store, options: o, opened: at, name: o.name}, nil
}

// unlock opens the vault in store with the key source its header names.
func (o Options) unlock(ctx context.Context, store Store) (*opening, error) {
	data, err := store.Get(ctx, headerName)
	if errors.Is(err, ErrNotFound) {
		missing := o.noHeader(ctx, store)
		if !errors.Is(missing, ErrDamaged) {
			return nil, missing
		}
		// A header comes before any record: this vault may have been made
		// between the two looks.
		if data, err = store.Get(ctx, headerName); errors.Is(err, ErrNotFound) {
			return nil, missing
		}
	}
	if err != nil {
		return nil, err
	}
	h, err := parseHeader(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.name(headerName), err)
	}
	source, err := o.source(h.source, h.id)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.name(headerName), err)
	}
	at := &opening{header: data, source: source}
	return at, o.unwrap(ctx, h, at)
}

// unwrap finds which of the source's keys is the header's.
func (o Options) unwrap(ctx context.Context, h header, at *opening) error {
	candidates, err := at.source.Load(ctx)
	if err != nil {
		return err
	}
	for _, at.key = range candidates {
		if at.keys, err = h.unwrap(at.key); err == nil {
			return nil
		}
	}
	return fmt.Errorf("%s: %w: %s does not open it", o.name(headerName), err, at.source.Describe())
}

// current returns the vault's keys as its header has them at this moment.
func (v *Vault) current(ctx context.Context) (*opening, error) {
	data, err := v.store.Get(ctx, headerName)
	if errors.Is(err, ErrNotFound) {
		return nil, v.options.noHeader(ctx, v.store)
	} else if err != nil {
		return nil, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if bytes.Equal(data, v.opened.header) {
		return v.opened, nil
	}
	at, err := v.options.unlock(ctx, v.store)
	if err != nil {
		return nil, err
	}
	v.opened = at
	return at, nil
}

// noHeader tells a folder without a vault from a vault without its header,
// over which no new one may be made.
func (o Options) noHeader(ctx context.Context, store Store) error {
	names, err := store.List(ctx)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(names, isRecord) {
		return fmt.Errorf("%s: %w: it is missing, and there are records", o.name(headerName), ErrDamaged)
	}
	return fmt.Errorf("%s: %w", o.name(""), ErrNoVault)
}

// found makes the vault. The key is kept before the header names it.
func (o Options) found(ctx context.Context, store Store) (*Vault, error) {
	var id vaultID
	rand.Read(id[:])
	source, key, fallback, err := o.newSource(ctx, id)
	if err != nil {
		return nil, err
	}
	h, _, err := newHeader(id, sourceLine(source), key)
	if err != nil {
		return nil, err
	}
	if err := store.Put(ctx, headerName, h.encode()); err != nil {
		return nil, err
	}
	v, err := o.load(ctx, store) // proves that what was written opens
	if err != nil {
		return nil, err
	}
	v.created, v.fallback = true, fallback
	return v, nil
}

// newSource chooses the key source of a new vault and has it make the key.
// fallback is why auto passed over the keyring.
func (o Options) newSource(ctx context.Context, id vaultID) (source KeySource, key secret.Text, fallback, err error) {
	name := o.Source
	if name == "" || name == SourceAuto {
		name, fallback = o.choose(ctx, id)
	}
	if source, err = o.source(name, id); err != nil {
		return nil, secret.Text{}, nil, err
	}
	key, err = source.Create(ctx)
	return source, key, fallback, err
}

// choose picks what auto means here. A keyring that works has the key already
// when it returns.
func (o Options) choose(ctx context.Context, id vaultID) (name string, fallback error) {
	if !o.MasterKey.IsZero() {
		return SourceEnv, nil
	}
	if _, err := os.Lstat(o.KeyFile); err == nil {
		return SourceFile, nil
	}
	ring := keyringSource{account: id.String(), bus: o.SessionBus, limit: keyringAutoLimit}
	if _, err := ring.Create(ctx); err != nil {
		return SourceFile, err
	}
	return SourceKeyring, nil
}

// source is the table of key sources. line is the header's: a name, and what
// the header keeps for the source.
func (o Options) source(line string, id vaultID) (KeySource, error) {
	name, parameters, _ := strings.Cut(line, " ")
	switch {
	case name == SourcePassphrase:
		return PassphraseSource(parameters, o.Ask)
	case name == SourceAge:
		return AgeSource(parameters, o.AgeUI())
	case parameters != "":
	case name == SourceEnv:
		return EnvSource(o.MasterKey), nil
	case name == SourceKeyring:
		return KeyringSource(id.String(), o.SessionBus), nil
	case name == SourceFile:
		return FileSource(o.KeyFile), nil
	}
	return nil, fmt.Errorf("%w: %.40q", ErrSource, line)
}

// name says to a human where a blob of the store is.
func (o Options) name(blob string) string {
	if dir, ok := o.Store.(*Dir); ok {
		return dir.file(blob)
	} else if o.Store != nil {
		return "vault " + blob
	}
	return (&Dir{path: o.Dir}).file(blob)
}

package vault

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"slices"

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

// load opens the vault in store with the key source its header names.
func (o Options) load(ctx context.Context, store Store) (*Vault, error) {
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
	key, err := source.Load(ctx)
	if err != nil {
		return nil, err
	}
	keys, err := h.unwrap(key)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s does not open it", o.name(headerName), err, source.Describe())
	}
	return &Vault{store: store, keys: keys, source: source, name: o.name}, nil
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
	h, err := newHeader(id, source.Name(), key)
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

// source is the table of key sources.
func (o Options) source(name string, id vaultID) (KeySource, error) {
	switch name {
	case SourceEnv:
		return EnvSource(o.MasterKey), nil
	case SourceKeyring:
		return KeyringSource(id.String(), o.SessionBus), nil
	case SourceFile:
		return FileSource(o.KeyFile), nil
	}
	return nil, fmt.Errorf("%w: %q", ErrSource, name)
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

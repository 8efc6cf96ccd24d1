package vault

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"authsome/internal/secret"
)

// Change says how the key of a vault is kept from a Rekey on.
type Change struct {
	Source     string      // "" leaves the key source as it is
	Key        secret.Text // source env: the new value of AUTHSOME_MASTER_KEY
	Identity   string      // source age: path of the identity file
	Passphrase secret.Text // source passphrase: the new one

	keep bool // a key that the user keeps stays as it is
}

// keeps reports whether the source's key is used on.
func (c Change) keeps(at *opening) bool {
	name := at.source.Name()
	return c.keep && name != SourceFile && name != SourceKeyring
}

// Entry is a record and whose it is.
type Entry struct {
	Profile string
	Record
}

// The journal of a Rekey is a record as any other, of no profile. It is there
// while records sealed for another vault id are in the store on purpose: in
// the old vault those that the Rekey is writing, in the new one those that it
// has yet to remove.
const (
	journalProfile = ""
	journalKey     = "rekey"
)

// journal tells of the other side of a Rekey; zero when there is none.
type journal struct {
	found  bool
	id     vaultID
	source string // its key source's name
}

func (j journal) tellsOf(id vaultID) bool { return j.found && j.id == id }

func (j journal) record() Record {
	return Record{Key: journalKey, Data: []byte(j.id.String() + " " + j.source)}
}

func parseJournal(data []byte) journal {
	id, source, ok := strings.Cut(string(data), " ")
	raw, err := hex.DecodeString(id)
	if !ok || err != nil || len(raw) != len(vaultID{}) {
		return journal{}
	}
	return journal{true, vaultID(raw), source}
}

// journal reads the journal. One that can't be read is none here, and a bad
// record wherever all are read.
func (v *Vault) journal(ctx context.Context, at *opening) journal {
	data, err := v.get(ctx, at, at.keys.recordName(journalProfile, journalKey))
	if err != nil {
		return journal{}
	}
	return parseJournal(data)
}

// Entries returns all records of all profiles, ordered by neither.
func (v *Vault) Entries(ctx context.Context) ([]Entry, error) {
	var entries []Entry
	err := v.each(ctx, func(profile string, r Record) { entries = append(entries, Entry{profile, r}) })
	return entries, err
}

// Rekey gives the vault a new data key, kept as the change says, and seals
// every record with it. It waits for all changes under way, others wait for
// it, and vaults that are open follow. When it fails, or dies, at any moment,
// the vault opens as it was or as it is meant to be, and what is left of the
// other is removed by whoever lists the records next. One record that can't be
// read is enough for nothing to be done.
func (v *Vault) Rekey(ctx context.Context, c Change) error {
	return v.turn(ctx, c, func(at *opening) ([]Entry, error) {
		all, errs, _, err := v.readAll(ctx, at)
		if err = errors.Join(errs...); err != nil {
			return nil, err
		}
		entries := make([]Entry, len(all))
		for i, o := range all {
			entries[i] = Entry{o.profile, o.record}
		}
		return entries, nil
	})
}

// Replace is Rekey with other records in the place of those there are, which
// need not be readable. Passphrase, master key and identity stay as they are.
func (v *Vault) Replace(ctx context.Context, entries []Entry) error {
	for _, e := range entries {
		if err := checkRecordName(e.Profile, e.Key); err != nil {
			return err
		}
		if len(e.Data) > MaxData {
			return about(e.Profile, e.Key, ErrTooLarge)
		}
	}
	return v.turn(ctx, Change{keep: true}, func(*opening) ([]Entry, error) { return entries, nil })
}

// turn replaces the vault's id, data key and records. The header is the one
// blob that decides which side counts.
func (v *Vault) turn(ctx context.Context, c Change, contents func(*opening) ([]Entry, error)) error {
	release, err := v.store.Lock(ctx, headerName)
	if err != nil {
		return err
	}
	defer release()
	at, err := v.current(ctx)
	if err != nil {
		return err
	}
	if err := v.recover(ctx, at); err != nil {
		return err
	}
	entries, err := contents(at)
	if err != nil {
		return err
	}
	var id vaultID
	rand.Read(id[:])
	source, err := v.options.changed(c, at, id)
	if err != nil {
		return err
	}
	err = v.stage(ctx, c, at, id, source, entries)
	// Whatever became of it: what does not count goes, also when ctx has ended.
	ctx = context.WithoutCancel(ctx)
	now, err2 := v.current(ctx)
	if err2 == nil && (err == nil || now == at) {
		// A header whose write was not confirmed may be the old one again
		// after a power cut: then both sides stay for now.
		err2 = v.recover(ctx, now)
	}
	return firstError(err, err2)
}

// stage writes the journals, the key and the new records, and then the header.
func (v *Vault) stage(ctx context.Context, c Change, at *opening, id vaultID, source KeySource, entries []Entry) error {
	if err := v.putJournal(ctx, at.keys, journal{true, id, source.Name()}); err != nil {
		return err
	}
	key, err := c.renew(ctx, at, source)
	if err != nil {
		return err
	}
	h, sealed, err := newHeader(id, sourceLine(source), key)
	if err != nil {
		return err
	}
	next := &opening{header: h.encode(), keys: sealed, source: source, key: key}
	if len(next.header) > MaxBlob {
		return fmt.Errorf("%w: its parameters are too long", ErrSource)
	}
	if err := v.putJournal(ctx, sealed, journal{true, at.keys.id, at.source.Name()}); err != nil {
		return err
	}
	if err := v.putAll(ctx, next, entries); err != nil {
		return err
	}
	if err := v.store.Put(ctx, headerName, next.header); err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.opened = next
	return nil
}

func (c Change) renew(ctx context.Context, at *opening, source KeySource) (secret.Text, error) {
	if c.keeps(at) {
		return at.key, nil
	}
	if source.Describe() != at.source.Describe() {
		return source.Renew(ctx, secret.Text{})
	}
	return source.Renew(ctx, at.key)
}

func (v *Vault) putJournal(ctx context.Context, k keys, j journal) error {
	name := k.recordName(journalProfile, journalKey)
	return v.store.Put(ctx, name.String(), k.sealRecord(name, journalProfile, j.record()))
}

// writers is how many records are written at once: each waits for the disk.
const writers = 8

// tidyWait is how long whoever finds leftovers waits to remove them.
const tidyWait = 50 * time.Millisecond

func (v *Vault) putAll(ctx context.Context, next *opening, entries []Entry) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(writers)
	for _, e := range entries {
		group.Go(func() error {
			return v.put(ctx, next, next.keys.recordName(e.Profile, e.Key), e.Profile, e.Record)
		})
	}
	return group.Wait()
}

// tidy removes what a Rekey that died has left, unless one is under way, or
// anything else is. Failing that does no harm: it is tried again.
func (v *Vault) tidy(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, tidyWait)
	defer cancel()
	release, err := v.store.Lock(ctx, headerName)
	if err != nil {
		return
	}
	defer release()
	ctx = context.WithoutCancel(ctx)
	if at, err := v.current(ctx); err == nil {
		_ = v.recover(ctx, at)
	}
}

// recover ends a Rekey that stopped somewhere: the records that the header
// does not stand for go, then their key, then the journal. The caller holds
// the header's lock.
func (v *Vault) recover(ctx context.Context, at *opening) error {
	j := v.journal(ctx, at)
	if !j.found || j.id == at.keys.id {
		return nil
	}
	if err := v.deleteAll(ctx, j.id); err != nil {
		return err
	}
	if err := v.forget(ctx, at, j); err != nil {
		return fmt.Errorf("remove the key that is not used: %w", err)
	}
	return v.store.Delete(ctx, at.keys.recordName(journalProfile, journalKey).String())
}

func (v *Vault) deleteAll(ctx context.Context, id vaultID) error {
	names, err := v.records(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		blob, err := v.store.Get(ctx, name)
		if err != nil {
			continue // not one of ours, then
		}
		if e, err := parseEnvelope(blob); err != nil || e.id != id {
			continue
		}
		if err := v.store.Delete(ctx, name); err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	return nil
}

// forget removes the other side's key, wherever that is kept.
func (v *Vault) forget(ctx context.Context, at *opening, j journal) error {
	if j.source == SourceFile || j.source == SourceKeyring {
		other, err := v.options.source(j.source, j.id)
		if err != nil {
			return err
		}
		if other.Describe() != at.source.Describe() {
			// A keyring that is out of reach must not keep the vault from ever
			// being rekeyed again. What stays in it opens nothing that is here.
			if err := other.Settle(ctx, secret.Text{}); err != nil && !errors.Is(err, ErrKeyring) {
				return err
			}
		}
	}
	return at.source.Settle(ctx, at.key)
}

// changed is the key source of the vault that a Rekey makes.
func (o Options) changed(c Change, at *opening, id vaultID) (KeySource, error) {
	name := c.Source
	if name == "" {
		name = at.source.Name()
	}
	if c.keeps(at) {
		return at.source, nil
	}
	switch name {
	case SourceEnv:
		if c.Key.IsZero() {
			return nil, fmt.Errorf("AUTHSOME_MASTER_KEY: %w: a new one has to be given", ErrKeyMissing)
		}
		return EnvSource(c.Key), nil
	case SourcePassphrase:
		return NewPassphraseSource(c.Passphrase, o.Ask)
	case SourceFile:
		// A key there that is not ours must not end as a leftover of the Rekey.
		if _, err := os.Lstat(o.KeyFile); err == nil && at.source.Name() != SourceFile {
			return nil, fmt.Errorf("%s: %w", o.KeyFile, ErrKeyThere)
		}
	case SourceAge:
		return NewAgeSource(c.identity(at), o.AgeUI())
	}
	return o.source(name, id)
}

// identity is the one given, else the one in use.
func (c Change) identity(at *opening) string {
	if s, ok := at.source.(*ageSource); ok && c.Identity == "" {
		return s.path
	}
	return c.Identity
}

// Package vault keeps sealed records over a store it does not trust.
//
// A vault is a header and records. The header names the key source (the OS
// keyring, a file, AUTHSOME_MASTER_KEY) and holds the vault's data key, wrapped
// by that source's key. From the data key come two subkeys: one seals records,
// one turns a profile and a key into the name a record is stored under. The
// package does not know what a record means, nor who asks.
//
// An attacker with the store but not the key (a stolen disk, a backup) learns
// how many records there are, their sizes rounded up, and when they changed.
// Altering, cutting, moving or copying a record is an error when it is read;
// deleting one, or putting back an older copy of the same one, is not noticed.
// A process of the same user that reads the key file or the keyring has
// everything.
package vault

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Vault is an open vault. It may be used concurrently, and by any number of
// processes at once. It follows a Rekey made elsewhere.
type Vault struct {
	store    Store
	options  Options
	name     func(blob string) string
	created  bool
	fallback error

	mu     sync.Mutex // guards opened
	opened *opening
}

// Source returns the key source's name, as in Options.Source, and where it
// keeps the key, for a human.
func (v *Vault) Source() (name, description string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.opened.source.Name(), v.opened.source.Describe()
}

// Created reports whether OpenOrCreate made this vault rather than opened it.
func (v *Vault) Created() bool { return v.created }

// Fallback is why a vault just created with source auto does not use the OS
// keyring, or nil. The user should be told.
func (v *Vault) Fallback() error { return v.fallback }

// Get returns a record's data, or ErrNotFound. A record that can't be trusted
// is ErrDamaged, ErrSwapped, ErrNewerFormat or ErrUnknownAlgorithm.
func (v *Vault) Get(ctx context.Context, profile, key string) (data []byte, err error) {
	if err := checkRecordName(profile, key); err != nil {
		return nil, err
	}
	err = v.reading(ctx, func(at *opening) error {
		data, err = v.get(ctx, at, at.keys.recordName(profile, key))
		return err
	})
	return data, about(profile, key, err)
}

// Put writes a record, whatever was there. When it returns nil, the record
// survives a crash. Like Delete and Update it waits, no longer than ctx, for
// whoever is updating the same record.
func (v *Vault) Put(ctx context.Context, profile, key string, data []byte) error {
	return v.change(ctx, profile, key, func(ctx context.Context, at *opening, name recordName) error {
		return v.put(ctx, at, name, profile, Record{Key: key, Data: data})
	})
}

// Delete removes a record, even one that can't be read any more, or returns
// ErrNotFound.
func (v *Vault) Delete(ctx context.Context, profile, key string) error {
	return v.change(ctx, profile, key, func(ctx context.Context, _ *opening, name recordName) error {
		return v.store.Delete(ctx, name.String())
	})
}

// Update gives a record's data to f and writes what f returns, with the record
// locked against every other Put, Delete and Update, machine-wide. f sees nil
// when there is no record; it returns nil for there to be none, and what it was
// given for nothing to be written. When f fails nothing changes. What f returns
// is written even if ctx ends while it runs. f must not change the same record
// through the vault: it would wait for itself.
func (v *Vault) Update(ctx context.Context, profile, key string, f func(old []byte) (new []byte, err error)) error {
	return v.change(ctx, profile, key, func(ctx context.Context, at *opening, name recordName) error {
		old, err := v.get(ctx, at, name)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		data, err := f(bytes.Clone(old))
		if err != nil {
			return err
		}
		// f may have spent something that can't be had again, such as a
		// refresh token: the result is kept even if the caller has given up.
		return v.replace(context.WithoutCancel(ctx), at, name, profile, key, old, data)
	})
}

func (v *Vault) replace(ctx context.Context, at *opening, name recordName, profile, key string, old, data []byte) error {
	switch {
	case old == nil && data == nil, old != nil && data != nil && bytes.Equal(old, data):
		return nil
	case data == nil:
		return v.store.Delete(ctx, name.String())
	}
	return v.put(ctx, at, name, profile, Record{Key: key, Data: data})
}

// List returns the records of a profile whose keys start with prefix, ordered
// by key. A record that can't be read does not hide the others: List returns
// all good ones together with an error that joins one for each bad one. Which
// profile and key a bad one had can't be known; Get tells for a given one.
func (v *Vault) List(ctx context.Context, profile, prefix string) ([]Record, error) {
	var records []Record
	err := v.each(ctx, func(p string, r Record) {
		if p == profile && strings.HasPrefix(r.Key, prefix) {
			records = append(records, r)
		}
	})
	slices.SortFunc(records, func(a, b Record) int { return strings.Compare(a.Key, b.Key) })
	return records, err
}

// Profiles returns the profiles that hold records, in order. Errors are as in
// List.
func (v *Vault) Profiles(ctx context.Context) ([]string, error) {
	var profiles []string
	err := v.each(ctx, func(p string, _ Record) { profiles = append(profiles, p) })
	slices.Sort(profiles)
	return slices.Compact(profiles), err
}

// Version returns a token that differs after every change of the vault by any
// process. It costs a few system calls.
func (v *Vault) Version(ctx context.Context) (string, error) { return v.store.Version(ctx) }

func (v *Vault) get(ctx context.Context, at *opening, name recordName) ([]byte, error) {
	_, r, err := v.read(ctx, at, name.String())
	return r.Data, err
}

func (v *Vault) read(ctx context.Context, at *opening, name string) (string, Record, error) {
	blob, err := v.store.Get(ctx, name)
	if err != nil {
		return "", Record{}, err
	}
	profile, r, err := at.keys.openRecord(name, blob)
	if err != nil {
		return "", Record{}, fmt.Errorf("%s: %w", v.name(name), err)
	}
	return profile, r, nil
}

func (v *Vault) put(ctx context.Context, at *opening, name recordName, profile string, r Record) error {
	if len(r.Data) > MaxData {
		return fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(r.Data), MaxData)
	}
	return v.store.Put(ctx, name.String(), at.keys.sealRecord(name, profile, r))
}

// change runs f with the record locked, and the vault against a Rekey.
func (v *Vault) change(ctx context.Context, profile, key string, f func(context.Context, *opening, recordName) error) error {
	if err := checkRecordName(profile, key); err != nil {
		return err
	}
	release, err := v.store.Share(ctx, headerName)
	if err != nil {
		return about(profile, key, err)
	}
	defer release()
	at, err := v.current(ctx)
	if err != nil {
		return err
	}
	name := at.keys.recordName(profile, key)
	unlock, err := v.store.Lock(ctx, name.String())
	if err != nil {
		return about(profile, key, err)
	}
	defer unlock()
	return about(profile, key, f(ctx, at, name))
}

func checkRecordName(profile, key string) error {
	for _, s := range []string{profile, key} {
		if s == "" || len(s) > maxKey {
			return fmt.Errorf("%w: profile %.50q, key %.50q", ErrInvalidName, profile, key)
		}
	}
	return nil
}

func about(profile, key string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s/%s: %w", profile, key, err)
}

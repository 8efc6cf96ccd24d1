package vault

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
)

// errMoved: records were replaced under a reader.
var errMoved = errors.New("records were replaced")

// reading runs f with the vault's keys, and once more when it failed because
// another process had replaced them meanwhile.
func (v *Vault) reading(ctx context.Context, f func(*opening) error) error {
	at, err := v.current(ctx)
	for err == nil {
		if err = f(at); err == nil {
			return nil
		}
		now, changed := v.current(ctx)
		if changed != nil || now == at {
			return firstError(changed, err)
		}
		at, err = now, nil
	}
	return err
}

// each opens every record of what the vault holds at one time and hands all to
// f. Names that are no record's are ignored, and so are records that a Rekey
// under way or interrupted has yet to use or to remove.
func (v *Vault) each(ctx context.Context, f func(profile string, r Record)) error {
	var all []opened
	var errs []error
	leftover := false
	err := v.reading(ctx, func(at *opening) (err error) {
		all, errs, leftover, err = v.readAll(ctx, at)
		return err
	})
	if err != nil && !errors.Is(err, errMoved) {
		return err
	}
	for _, o := range all {
		f(o.profile, o.record)
	}
	if leftover {
		v.tidy(ctx)
	}
	return errors.Join(errs...)
}

// opened is what became of one record.
type opened struct {
	profile string
	record  Record
	err     error
}

// readAll returns the good records, what is wrong with the bad ones, and
// whether a Rekey left something. The error is errMoved when that is not
// certain, should the keys have changed.
func (v *Vault) readAll(ctx context.Context, at *opening) (good []opened, errs []error, leftover bool, err error) {
	// A look before and one after: the journal comes before the first record
	// it tells of and goes after the last.
	before := v.journal(ctx, at)
	names, err := v.records(ctx)
	if err != nil {
		return nil, nil, false, err
	}
	all := v.readNames(ctx, at, names)
	after := v.journal(ctx, at)
	if err := ctx.Err(); err != nil {
		return nil, nil, false, err
	}
	for _, o := range all {
		var other *foreignError
		switch {
		case o.err == nil && o.profile != journalProfile:
			good = append(good, o)
		case o.err == nil:
			leftover = true
		case errors.As(o.err, &other) && (before.tellsOf(other.id) || after.tellsOf(other.id)):
			leftover = true
		case errors.Is(o.err, ErrNotFound): // deleted since the names were read
			err = errMoved
		default:
			errs, err = append(errs, o.err), errMoved
		}
	}
	return good, errs, leftover, err
}

// records returns the names of all records, so that errors come in the same
// order each time.
func (v *Vault) records(ctx context.Context) ([]string, error) {
	names, err := v.store.List(ctx)
	if err != nil {
		return nil, err
	}
	names = slices.DeleteFunc(names, func(name string) bool { return !isRecord(name) })
	slices.Sort(names)
	return names, nil
}

// readNames opens records on all processors: nearly all of the time goes into
// system calls.
func (v *Vault) readNames(ctx context.Context, at *opening, names []string) []opened {
	all := make([]opened, len(names))
	workers := min(runtime.GOMAXPROCS(0), len(names))
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < len(names) && ctx.Err() == nil; i += workers {
				o := &all[i]
				o.profile, o.record, o.err = v.read(ctx, at, names[i])
			}
		})
	}
	wg.Wait()
	return all
}

package vault

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// What a Dir keeps beside its blobs starts with a dot, which no name does.
const (
	locksDir       = ".locks"      // one empty file per name ever locked
	generationFile = ".generation" // random bytes, new after every change
	tempPrefix     = ".tmp-"
	tempStale      = time.Hour // then its writer is dead
)

// Dir is a Store of plain files in one private folder.
type Dir struct{ path string }

// OpenDir opens a folder that exists (ErrNoVault). The folder and the one it
// is in must be ours alone: ErrPermissions, ErrIrregular.
func OpenDir(path string) (*Dir, error) {
	for _, p := range []string{filepath.Dir(path), path} {
		if err := checkDir(p); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s: %w", path, ErrNoVault)
		} else if err != nil {
			return nil, err
		}
	}
	return &Dir{path: path}, nil
}

// CreateDir opens a folder and makes it, and the folders above it, when they
// do not exist.
func CreateDir(path string) (*Dir, error) {
	if err := makeDir(path); err != nil {
		return nil, storeError(err)
	}
	return OpenDir(path)
}

// Get implements Store.
func (d *Dir) Get(ctx context.Context, name string) ([]byte, error) {
	if err := firstError(ctx.Err(), checkName(name)); err != nil {
		return nil, err
	}
	return readFile(d.file(name), MaxBlob)
}

// Put implements Store.
func (d *Dir) Put(ctx context.Context, name string, blob []byte) error {
	if err := firstError(ctx.Err(), checkBlob(name, blob)); err != nil {
		return err
	}
	if err := writeFile(d.file(name), blob); err != nil {
		return err
	}
	d.changed()
	return nil
}

// Delete implements Store.
func (d *Dir) Delete(ctx context.Context, name string) error {
	if err := firstError(ctx.Err(), checkName(name)); err != nil {
		return err
	}
	if err := removeFile(d.file(name)); err != nil {
		return err
	}
	d.changed()
	return nil
}

// List implements Store. On its way it removes what writers that were killed
// left behind.
func (d *Dir) List(ctx context.Context) ([]string, error) {
	f, err := os.Open(d.path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	all, err := f.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	names := all[:0]
	for _, name := range all {
		if strings.HasPrefix(name, tempPrefix) {
			removeStale(filepath.Join(d.path, name))
		} else if checkName(name) == nil {
			names = append(names, name)
		}
	}
	return names, ctx.Err()
}

// Lock implements Store, on a file of its own: the blob's file is replaced by
// every Put. Lock files stay, since removing one lets two holders in.
func (d *Dir) Lock(ctx context.Context, name string) (func(), error) {
	return d.acquire(ctx, name, false)
}

// Share implements Store.
func (d *Dir) Share(ctx context.Context, name string) (func(), error) {
	return d.acquire(ctx, name, true)
}

func (d *Dir) acquire(ctx context.Context, name string, shared bool) (func(), error) {
	if err := firstError(ctx.Err(), checkName(name)); err != nil {
		return nil, err
	}
	f, err := d.openLock(name)
	if err != nil {
		return nil, err
	}
	for wait := time.Millisecond; ; wait = min(2*wait, 20*time.Millisecond) {
		if err := tryLock(f, shared); err == nil {
			return func() { f.Close() }, nil
		} else if !isLocked(err) {
			f.Close()
			return nil, err
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("%s: %w: %w", d.file(name), ErrBusy, context.Cause(ctx))
		case <-time.After(wait):
		}
	}
}

func (d *Dir) openLock(name string) (*os.File, error) {
	dir := filepath.Join(d.path, locksDir)
	if err := checkDir(dir); errors.Is(err, fs.ErrNotExist) {
		if err := makeDir(dir); err != nil {
			return nil, storeError(err)
		}
	} else if err != nil {
		return nil, err
	}
	return openPrivate(filepath.Join(dir, name), os.O_RDWR|os.O_CREATE)
}

// Version implements Store. The folder's own time alone would not do: the
// kernel's file clock ticks every few milliseconds, and two changes within one
// tick look like one.
func (d *Dir) Version(context.Context) (string, error) {
	info, err := os.Lstat(d.path)
	if err != nil {
		return "", err
	}
	generation, err := readFile(filepath.Join(d.path, generationFile), 64)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return "", err
	}
	return fmt.Sprintf("%x-%x", info.ModTime().UnixNano(), generation), nil
}

// changed makes Version differ. Its failure is not the write's: that one is
// done, and the folder's time tells of it too. It is not fsynced, because no
// reader of the old token survives a power cut.
func (d *Dir) changed() {
	f, err := openPrivate(filepath.Join(d.path, generationFile), os.O_RDWR|os.O_CREATE)
	if err != nil {
		return
	}
	defer f.Close()
	var generation [16]byte
	rand.Read(generation[:])
	_, _ = f.WriteAt(generation[:], 0)
}

func (d *Dir) file(name string) string { return filepath.Join(d.path, name) }

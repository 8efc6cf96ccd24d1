package child

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// runPrefix starts the name of every run's folder, by which the next run finds
// what a killed one left.
const runPrefix = "authsome-run-"

// maxScan bounds how many names of a shared folder are looked at for those.
const maxScan = 10000

// RunDir is the private folder of one run, for files its child reads. It is
// locked for as long as the run lives.
type RunDir struct {
	path string
	root *os.Root
	lock *os.File
}

// NewRunDir makes a fresh folder with mode 0700, and removes those of runs
// that are dead. It is made in runtimeDir/authsome (XDG_RUNTIME_DIR) if that
// is, or can be, ours alone, else in tempDir. Both are absolute paths;
// runtimeDir may be empty.
func NewRunDir(runtimeDir, tempDir string) (*RunDir, error) {
	base := privateBase(runtimeDir)
	if base == "" {
		base = tempDir
	}
	if !filepath.IsAbs(base) {
		return nil, fmt.Errorf("folder for the run: %q is not absolute", base)
	}
	removeStale(base)
	var err error
	for range 10 { // another run may take a folder for stale before it is locked
		var d *RunDir
		if d, err = makeRunDir(base); err == nil {
			return d, nil
		}
	}
	return nil, fmt.Errorf("folder for the run: %w", err)
}

// privateBase returns runtimeDir/authsome, made if need be, or "" when it is
// not ours alone.
func privateBase(runtimeDir string) string {
	if !filepath.IsAbs(runtimeDir) || !isPrivate(runtimeDir) {
		return ""
	}
	base := filepath.Join(runtimeDir, "authsome")
	if err := os.Mkdir(base, 0o700); err != nil && !errors.Is(err, os.ErrExist) || !isPrivate(base) {
		return ""
	}
	return base
}

// isPrivate reports whether path is a folder, not a link to one, that belongs
// to us and that nobody else may enter.
func isPrivate(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.IsDir() && isOurs(info)
}

func makeRunDir(base string) (*RunDir, error) {
	path, err := os.MkdirTemp(base, runPrefix)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o700); err != nil { // whatever the umask
		return nil, err
	}
	lock, err := lockDir(path)
	if err != nil {
		_ = os.Remove(path)
		return nil, err
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, errors.Join(err, removeLocked(path, lock))
	}
	return &RunDir{path: path, root: root, lock: lock}, nil
}

// removeStale removes folders of ours below base that no live run has locked.
// What can't be looked at or removed is left.
func removeStale(base string) {
	dir, err := os.Open(base)
	if err != nil {
		return
	}
	names, _ := dir.Readdirnames(maxScan)
	dir.Close()
	for _, name := range names {
		if !strings.HasPrefix(name, runPrefix) {
			continue
		}
		path := filepath.Join(base, name)
		if lock, err := lockDir(path); err == nil {
			_ = removeLocked(path, lock)
		}
	}
}

// Path returns the folder's absolute path.
func (d *RunDir) Path() string { return d.path }

// Mkdir makes a folder with mode 0700 and returns its absolute path.
func (d *RunDir) Mkdir(name string) (path string, err error) {
	if err := d.root.Mkdir(name, 0o700); err != nil {
		return "", fmt.Errorf("folder of the run: %w", err)
	}
	return filepath.Join(d.path, name), nil
}

// Write makes a file of content with mode 0600, in place of one that is there,
// and returns its absolute path. name may lead into a folder of Mkdir. A reader
// finds the old content or the new, and what stands at name, a link say, is
// replaced and never followed.
func (d *RunDir) Write(name string, content io.Reader) (path string, err error) {
	folder, file := filepath.Split(name)
	if file == "" || file == "." || file == ".." {
		return "", fmt.Errorf("folder of the run: %q is not a file's name", name)
	}
	temp := filepath.Join(folder, "."+file+".new")
	if err := d.write(temp, content); err != nil {
		return "", fmt.Errorf("folder of the run: %w", err)
	}
	if err := d.root.Rename(temp, name); err != nil {
		return "", fmt.Errorf("folder of the run: %w", err)
	}
	return filepath.Join(d.path, name), nil
}

func (d *RunDir) write(name string, content io.Reader) error {
	f, err := d.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content) // of a file, the kernel copies
	return errors.Join(err, f.Close())
}

// Remove removes the folder with all that is in it.
func (d *RunDir) Remove() error {
	d.root.Close()
	if err := removeLocked(d.path, d.lock); err != nil {
		return fmt.Errorf("folder of the run: %w", err)
	}
	return nil
}

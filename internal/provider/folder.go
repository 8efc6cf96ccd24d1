package provider

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// folder is the user's definitions: files named after the provider they
// define, with the ending .json.
type folder struct{ dir string }

// cached is a custom definition and the file it was read from.
type cached struct {
	info     fs.FileInfo
	def      *Definition
	warnings []Problem
	err      error
}

func (f folder) path(name string) string { return filepath.Join(f.dir, name+".json") }

// check refuses a folder in which others could put definitions.
func (f folder) check() error {
	if f.dir == "" {
		return nil
	}
	info, err := os.Stat(f.dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("provider folder: %w", err)
	case !info.IsDir():
		return fmt.Errorf("provider folder %s is not a directory", f.dir)
	case othersMayWrite(info):
		return fmt.Errorf("provider folder %s may be written to by others (mode %04o); run: chmod 700 %s", f.dir, info.Mode().Perm(), f.dir)
	}
	return nil
}

// list returns the names of all definitions, sorted, and what else there is.
func (f folder) list() (names []string, warnings []error, err error) {
	if f.dir == "" {
		return nil, nil, nil
	}
	entries, err := os.ReadDir(f.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("provider folder: %w", err)
	}
	for _, entry := range entries {
		name, concerned, err := definitionName(entry)
		switch {
		case err != nil:
			warnings = append(warnings, fmt.Errorf("provider file %s: %w", quote(filepath.Join(f.dir, entry.Name())), err))
		case concerned:
			names = append(names, name)
		}
	}
	return names, warnings, nil
}

// definitionName returns the name that a directory entry defines. Hidden
// files and other endings are no concern of ours.
func definitionName(entry fs.DirEntry) (name string, concerned bool, err error) {
	name, isJSON := strings.CutSuffix(entry.Name(), ".json")
	switch {
	case strings.HasPrefix(entry.Name(), "."):
		return "", false, nil
	case strings.HasSuffix(entry.Name(), ".jsonc"):
		return "", false, errors.New("is not read; comments are allowed in .json, so rename it")
	case !isJSON:
		return "", false, nil
	case !entry.Type().IsRegular():
		return "", false, fmt.Errorf("is not a regular file (%s)", entry.Type())
	}
	return name, true, checkName(name)
}

// has reports whether something stands at the place of name's definition.
func (f folder) has(name string) bool {
	if f.dir == "" {
		return false
	}
	_, err := os.Lstat(f.path(name))
	return !errors.Is(err, fs.ErrNotExist)
}

// version sums up names, sizes and times of all definitions.
func (f folder) version() string {
	names, _, err := f.list()
	if err != nil {
		return err.Error()
	}
	sum := sha256.New()
	for _, name := range names {
		if info, err := os.Lstat(f.path(name)); err == nil {
			fmt.Fprintf(sum, "%s %d %d\n", name, info.Size(), info.ModTime().UnixNano())
		}
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// custom returns the definition in the file of name, parsed again only when
// the file changed. The error wraps fs.ErrNotExist when there is no file.
func (r *Registry) custom(name string) (*Definition, []Problem, error) {
	if r.folder.dir == "" {
		return nil, nil, fs.ErrNotExist
	}
	info, err := os.Lstat(r.folder.path(name))
	if err != nil {
		return nil, nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	c, ok := r.cache[name]
	if !ok || !os.SameFile(c.info, info) || c.info.Size() != info.Size() || !c.info.ModTime().Equal(info.ModTime()) {
		c = cached{info: info}
		c.def, c.warnings, c.err = r.folder.read(name)
		if c.def != nil {
			c.def.Overrides = r.bundled[name]
		}
		r.cache[name] = c
	}
	return c.def, c.warnings, c.err
}

// read reads and parses the definition of name.
func (f folder) read(name string) (*Definition, []Problem, error) {
	path := f.path(name)
	data, err := readRegular(path)
	if err != nil {
		return nil, nil, fmt.Errorf("provider file: %w", err)
	}
	def, warnings, err := Parse(data)
	if err != nil {
		return nil, warnings, inFile(path, err)
	}
	if def.Name != name {
		return nil, warnings, fmt.Errorf("provider file %s defines %q; file name and name must agree", path, def.Name)
	}
	def.Source, def.Path = Custom, path
	return def, warnings, nil
}

// readRegular reads a small regular file that only its owner may change. It
// follows no link and waits for no pipe.
func readRegular(path string) ([]byte, error) {
	before, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !before.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file (%s)", path, before.Mode().Type())
	}
	file, err := os.OpenFile(path, os.O_RDONLY|noFollow, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	switch {
	case err != nil:
		return nil, err
	case !os.SameFile(before, info):
		return nil, fmt.Errorf("%s changed while it was opened", path)
	case othersMayWrite(info):
		return nil, fmt.Errorf("%s may be written to by others (mode %04o)", path, info.Mode().Perm())
	}
	return io.ReadAll(io.LimitReader(file, maxFile+1)) // one more, so that Parse sees it is too large
}

// write puts a definition in its place, all of it or nothing.
func (f folder) write(name string, data []byte) error {
	if f.dir == "" {
		return errors.New("there is no folder for custom providers")
	}
	if err := os.MkdirAll(f.dir, 0o700); err != nil {
		return err
	}
	if err := f.check(); err != nil {
		return err
	}
	temp, err := os.CreateTemp(f.dir, "."+name+".*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name()) // gone already when all went well
	_, err = temp.Write(data)
	if err = errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return err
	}
	if err := os.Rename(temp.Name(), f.path(name)); err != nil {
		return err
	}
	return syncDir(f.dir)
}

func (f folder) remove(name string) error {
	if err := os.Remove(f.path(name)); err != nil {
		return err
	}
	return syncDir(f.dir)
}

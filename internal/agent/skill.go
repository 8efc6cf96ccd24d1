package agent

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
)

// ErrForeign is wrapped by errors about a file that authsome has not written,
// or that somebody has changed since.
var ErrForeign = errors.New("it was changed, or authsome did not write it")

// State is how a file compares with the skill that this program has.
type State string

// The states.
const (
	Absent  State = "absent"
	Current State = "current"
	Older   State = "older"   // of another version of authsome, and as that one wrote it
	Foreign State = "changed" // see ErrForeign
)

// maxSkill is how much of a file is read, in bytes.
const maxSkill = 1 << 20

// A SkillFile is a place for a skill's SKILL.md. No link in Path leads out of
// Root: in a project, others have made the folders.
type SkillFile struct {
	Root string // a folder
	Path string // below Root, with slashes
}

// State compares the file with text, the skill.
func (f SkillFile) State(text []byte) (State, error) {
	root, err := os.OpenRoot(f.Root)
	if errors.Is(err, fs.ErrNotExist) {
		return Absent, nil
	}
	if err != nil {
		return "", err
	}
	defer root.Close()
	return f.state(root, text)
}

func (f SkillFile) state(root *os.Root, text []byte) (State, error) {
	info, err := root.Lstat(f.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Absent, nil
	case err != nil:
		return "", err
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("%s is not a regular file", f.Path)
	}
	file, err := root.Open(f.Path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxSkill))
	switch {
	case err != nil:
		return "", err
	case bytes.Equal(data, sealed(text)):
		return Current, nil
	case isSealed(data):
		return Older, nil
	}
	return Foreign, nil
}

// Write makes the file text, and returns what it was before. A file that
// somebody changed is replaced only with force.
func (f SkillFile) Write(text []byte, force bool) (State, error) {
	before, err := f.State(text)
	if err != nil || before == Current {
		return before, err
	}
	if before == Foreign && !force {
		return before, ErrForeign
	}
	if err := os.MkdirAll(f.Root, 0o755); err != nil {
		return before, err
	}
	root, err := os.OpenRoot(f.Root)
	if err != nil {
		return before, err
	}
	defer root.Close()
	return before, f.replace(root, sealed(text))
}

// replace leaves the old file or the new one, whatever happens.
func (f SkillFile) replace(root *os.Root, data []byte) error {
	folder := path.Dir(f.Path)
	if err := root.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	fresh := path.Join(folder, ".SKILL.md.new")
	if err := root.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	file, err := root.OpenFile(fresh, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err = errors.Join(err, file.Close()); err == nil {
		err = root.Rename(fresh, f.Path)
	}
	if err != nil {
		return errors.Join(err, root.Remove(fresh))
	}
	return nil
}

// Remove removes the file, and its folder when nothing else is in it, and
// returns what the file was before. A file that somebody changed is removed
// only with force.
func (f SkillFile) Remove(text []byte, force bool) (State, error) {
	before, err := f.State(text)
	if err != nil || before == Absent {
		return before, err
	}
	if before == Foreign && !force {
		return before, ErrForeign
	}
	root, err := os.OpenRoot(f.Root)
	if err != nil {
		return before, err
	}
	defer root.Close()
	if err := root.Remove(f.Path); err != nil {
		return before, err
	}
	_ = root.Remove(path.Dir(f.Path)) // the user's files in it, if any, stay
	return before, nil
}

// seal begins the last line of a file that authsome wrote. It holds the hash
// of all before it: a file that agrees with it is nobody else's work.
const seal = "\n<!-- Written by `authsome skill install`, and replaced by it while unchanged. SHA-256 of the above: "

const sealEnd = " -->\n"

func sealed(text []byte) []byte {
	hash := sha256.Sum256(text)
	return []byte(string(text) + seal + hex.EncodeToString(hash[:]) + sealEnd)
}

func isSealed(data []byte) bool {
	i := bytes.LastIndex(data, []byte(seal))
	return i >= 0 && bytes.Equal(data, sealed(data[:i]))
}

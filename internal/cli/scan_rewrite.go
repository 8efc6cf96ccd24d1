package cli

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"authsome/internal/inject"
)

// rewriteFound puts the placeholder in the place of the keys that are stored,
// file by file, and returns the files that it changed.
func rewriteFound(found []*finding) (changed []string, err error) {
	places := map[*scannedFile][]envValue{}
	var files []*scannedFile
	for _, f := range found {
		if f.file == nil || f.Status != foundImported && f.Status != foundStored {
			continue
		}
		if places[f.file] == nil {
			files = append(files, f.file)
		}
		places[f.file] = append(places[f.file], f.place)
	}
	for _, file := range files {
		if err := file.replace(replaceValues(file.data, places[file], inject.Placeholder)); err != nil {
			return changed, fmt.Errorf("the keys are stored; %s is as it was: %w", file.path, err)
		}
		changed = append(changed, file.path)
	}
	return changed, nil
}

// replace puts new content in the file's place, all at once, with the same
// mode. It refuses a link and a file that has changed since it was read.
func (f *scannedFile) replace(content []byte) error {
	info, err := os.Lstat(f.path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errors.New("it is a link: name the file that it leads to")
	}
	// The name is one that .gitignore leaves out wherever it does the file.
	temp, err := os.CreateTemp(filepath.Dir(f.path), filepath.Base(f.path)+".authsome-*")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name()) // nothing after the rename
	_, err = temp.Write(content)
	err = errors.Join(err, temp.Chmod(info.Mode().Perm()), temp.Sync(), temp.Close())
	if err != nil {
		return err
	}
	current, err := readFile(f.path)
	if err != nil {
		return err
	}
	if !bytes.Equal(current, f.data) {
		return errors.New("it has changed meanwhile: try again")
	}
	return os.Rename(temp.Name(), f.path)
}

//go:build !unix

package provider_test

import (
	"os"
	"path/filepath"
	"testing"
)

// plantBadFiles puts a directory called like a definition into dir.
func plantBadFiles(t *testing.T, dir string) []string {
	t.Helper()
	if err := os.Mkdir(filepath.Join(dir, "directory.json"), 0o700); err != nil {
		t.Fatal(err)
	}
	return []string{"directory.json"}
}

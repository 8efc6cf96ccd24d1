//go:build !unix

package provider

import "io/fs"

// noFollow has no counterpart here; readRegular looks at the file before.
const noFollow = 0

// othersMayWrite can't be told from a mode here.
func othersMayWrite(fs.FileInfo) bool { return false }

// syncDir is for file systems whose directories can be opened.
func syncDir(string) error { return nil }

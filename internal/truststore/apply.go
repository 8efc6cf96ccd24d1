package truststore

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	// patience is how long a command may take. A person may have to answer.
	patience = 3 * time.Minute
	// maxBundle is far above any real file of certificates.
	maxBundle = 16 << 20
	// maxOutput is how much of a failed command's output is told.
	maxOutput = 400
)

// Local returns this machine. environ is what commands get.
func Local(goos, home, javaHome string, environ []string) System {
	return System{
		OS: goos, Home: home, JavaHome: javaHome, Environ: environ,
		Look: look, Writable: writable,
		Glob: func(pattern string) []string {
			files, _ := filepath.Glob(pattern) // the patterns are ours
			return files
		},
		Real: func(path string) string {
			real, err := filepath.EvalSymlinks(path)
			if path == "" || err != nil {
				return ""
			}
			return real
		},
	}
}

// look finds a program. Where administrators' tools are is not in the PATH of
// every user.
func look(program string) string {
	for _, name := range []string{program, "/usr/sbin/" + program, "/sbin/" + program} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// Has reports whether the store has the certificate.
func (t Target) Has(ctx context.Context, s System, c Cert) bool {
	if t.Check.File != "" {
		data, err := readBundle(t.Check.File)
		return err == nil && contains(data, c)
	}
	if t.Needs != "" {
		return false
	}
	out, err := run(ctx, s, t.Check.Run)
	return err == nil && (t.Check.Exit || contains(out, c))
}

// Traces reports whether anything of the certificate is left: it is in the
// store, or a change of it was not finished.
func (t Target) Traces(ctx context.Context, s System, c Cert) bool {
	if t.Own != "" {
		if _, err := os.Lstat(t.Own); err == nil {
			return true
		}
	}
	return t.Has(ctx, s, c)
}

func readBundle(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxBundle))
}

// contains reports whether PEM text has the certificate.
func contains(data []byte, c Cert) bool {
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			return false
		}
		if bytes.Equal(block.Bytes, c.der) {
			return true
		}
	}
}

// Apply does steps in their order and stops at the first that fails.
func Apply(ctx context.Context, s System, c Cert, steps []Step) error {
	for _, step := range steps {
		var err error
		switch {
		case step.Write != "":
			err = write(step.Write, c.PEM)
		case step.Remove != "":
			err = remove(step.Remove)
		default:
			_, err = run(ctx, s, step.Run)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// write puts the certificate into place in one step, so that nothing reads
// half of it.
func write(path string, data []byte) error {
	temporary, err := os.CreateTemp(filepath.Dir(path), ".authsome-*")
	if err != nil {
		return err
	}
	_, err = temporary.Write(data)
	err = errors.Join(err, temporary.Chmod(0o644), temporary.Close())
	if err == nil {
		err = os.Rename(temporary.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temporary.Name()))
	}
	return nil
}

func remove(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// run runs a command without input and returns its standard output.
func run(ctx context.Context, s System, argv []string) ([]byte, error) {
	path := s.Look(argv[0])
	if path == "" {
		return nil, fmt.Errorf("%s: not found", argv[0])
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, argv[1:]...)
	var out, complaint bytes.Buffer
	cmd.Env, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = s.Environ, &out, &complaint, time.Second
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s: %w: %s", argv[0], err, tail(complaint.Bytes(), out.Bytes()))
	}
	return out.Bytes(), nil
}

// tail is the end of what a command said.
func tail(stderr, stdout []byte) string {
	text := bytes.TrimSpace(stderr)
	if len(text) == 0 {
		text = bytes.TrimSpace(stdout)
	}
	return strings.ToValidUTF8(string(text[max(0, len(text)-maxOutput):]), "")
}

// Shell writes steps as one line for a POSIX shell, each with prefix before
// it ("sudo ").
func Shell(c Cert, steps []Step, prefix string) string {
	var lines []string
	for _, step := range steps {
		argv := step.Run
		switch {
		case step.Write != "":
			argv = []string{"install", "-m", "0644", c.File, step.Write}
		case step.Remove != "":
			argv = []string{"rm", "-f", step.Remove}
		}
		var words []string
		for _, word := range argv {
			words = append(words, quote(word))
		}
		lines = append(lines, prefix+strings.Join(words, " "))
	}
	return strings.Join(lines, " && ")
}

// quote makes a word of s that a POSIX shell leaves as it is.
func quote(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:,=@%+") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

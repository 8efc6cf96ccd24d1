// Package truststore puts a certificate into the trust stores of the system,
// of browsers and of Java, looks for it there, and takes it out.
//
// A store is data: where it is found, and which files are written and which
// commands run to change it, so that all of it can be shown before it is done.
// One file holds one family and stores lists them. The package makes no
// certificate, knows no vault, and never becomes root: what takes root is
// shown, as a command for a shell.
//
// What an attacker controls here is nothing that reaches a command: the
// certificate's name is checked, and no shell is started.
package truststore

import (
	"crypto/sha1" //nolint:gosec // names a certificate to macOS and Windows; nothing is verified by it
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Errors callers tell apart.
var (
	ErrUnknown     = errors.New("unknown trust store")
	ErrCertificate = errors.New("not a certificate of authsome's")
)

// Cert is the certificate that goes into stores.
type Cert struct {
	Name string // its common name, "authsome-" and 16 hexadecimal digits
	File string // where commands find it, PEM
	PEM  []byte
	der  []byte
}

// NewCert reads one PEM certificate. Its file is Name with ".pem" in folder;
// nothing is written.
func NewCert(data []byte, folder string) (Cert, error) {
	block, rest := pem.Decode(data)
	if block == nil || len(rest) > 0 {
		return Cert{}, fmt.Errorf("%w: not one PEM block", ErrCertificate)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return Cert{}, fmt.Errorf("%w: %w", ErrCertificate, err)
	}
	name := cert.Subject.CommonName
	if !regexp.MustCompile(`^authsome-[0-9a-f]{16}$`).MatchString(name) {
		return Cert{}, fmt.Errorf("%w: it is called %.80q", ErrCertificate, name)
	}
	return Cert{Name: name, File: filepath.Join(folder, name+".pem"), PEM: data, der: block.Bytes}, nil
}

// SHA1 is the name that macOS and Windows have for the certificate.
func (c Cert) SHA1() string {
	sum := sha1.Sum(c.der) //nolint:gosec // a name
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}

// SHA256 is the certificate's fingerprint.
func (c Cert) SHA256() string {
	sum := sha256.Sum256(c.der)
	return hex.EncodeToString(sum[:])
}

// Step is one thing that is done to a store; one of its fields is set.
type Step struct {
	Write  string   // file that gets the certificate
	Remove string   // file that is removed
	Run    []string // command
}

// Check tells whether a store has the certificate.
type Check struct {
	File string   // a file of PEM certificates
	Run  []string // or a command, which prints it as PEM or fails
	Exit bool     // that the command succeeds is enough
}

// Target is a store that was found on this machine.
type Target struct {
	Store  string // as Names has it
	Where  string // path, for a human
	Needs  string // what has to be installed first, "" for nothing
	Root   bool   // changing it takes root
	Check  Check
	Own    string // file that is there from the first step to the last, "" for none
	Add    []Step
	Delete []Step
}

// System is the machine as stores look at it.
type System struct {
	OS       string // as runtime.GOOS
	Home     string
	JavaHome string   // "" for none
	Environ  []string // of commands

	Look     func(program string) string   // path, "" when there is none
	Glob     func(pattern string) []string // files that are there
	Real     func(path string) string      // without links, "" when there is nothing
	Writable func(path string) bool
}

func (s System) has(path string) bool { return len(s.Glob(path)) > 0 }

// family finds the stores of one kind.
type family struct {
	store string
	find  func(System, Cert) []Target
}

// stores is every family, in the order in which they are changed.
func stores() []family {
	return []family{
		{"system", debian}, {"system", alpine}, {"system", fedora}, {"system", arch},
		{"system", macos}, {"system", windows},
		{"chromium", chromium}, {"firefox", firefox}, {"java", java},
	}
}

// Names returns the names of stores that Find takes.
func Names() []string {
	var names []string
	for _, f := range stores() {
		names = append(names, f.store)
	}
	return slices.Compact(names)
}

// Find returns the stores of this machine, only those called names unless
// there are none. The error wraps ErrUnknown.
func Find(s System, c Cert, names []string) ([]Target, error) {
	for _, name := range names {
		if !slices.Contains(Names(), name) {
			return nil, fmt.Errorf("%w %.80q: there are %s", ErrUnknown, name, strings.Join(Names(), ", "))
		}
	}
	var found []Target
	for _, f := range stores() {
		if len(names) > 0 && !slices.Contains(names, f.store) {
			continue
		}
		for _, t := range f.find(s, c) {
			t.Store = f.store
			found = append(found, t)
		}
	}
	return found, nil
}

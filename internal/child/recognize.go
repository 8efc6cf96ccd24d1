package child

import (
	"bufio"
	"bytes"
	"debug/buildinfo"
	"debug/elf"
	"debug/macho"
	"debug/pe"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Recognized is what a file is, as far as it shows.
type Recognized struct {
	Program
	Version string   // of the compiler: "go1.26.8"; "" where it is not known
	By      string   // the interpreter of a script; "" for a program of its own
	Options []string // of the interpreter, in the script's first line
}

// Recognize tells the kind of the program in the file at path, which LookPath
// has found: by its name, the name behind a link, the interpreter of a script,
// and what it is linked to and made of. It reads the file and runs nothing.
func Recognize(path string) Recognized {
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		target = path
	}
	if strings.HasPrefix(path, "/snap/bin/") || strings.Contains(path, "/flatpak/exports/bin/") {
		return Recognized{Program: programOf("elsewhere")}
	}
	for _, file := range []string{path, target} {
		if p, ok := programNamed(filepath.Base(file)); ok {
			return Recognized{Program: p}
		}
	}
	if interpreter, options, ok := readShebang(target); ok {
		r := Recognized{Program: programOf(Unknown), By: interpreter, Options: options}
		if p, ok := programNamed(filepath.Base(interpreter)); ok {
			r.Program = p
		}
		return r
	}
	return recognizeBinary(target)
}

// programOf returns the kind with an id of the table.
func programOf(id string) Program {
	all := Programs()
	return all[slices.IndexFunc(all, func(p Program) bool { return p.ID == id })]
}

// programNamed finds a kind by the name of a program; versions and Windows'
// extensions do not count: python3.11, node.exe.
func programNamed(name string) (Program, bool) {
	name = strings.ToLower(name)
	for _, extension := range []string{".exe", ".cmd", ".bat", ".com"} {
		name = strings.TrimSuffix(name, extension)
	}
	bare := strings.TrimRight(name, "0123456789.-")
	for _, p := range Programs() {
		if slices.Contains(p.Names, name) || slices.Contains(p.Names, bare) {
			return p, true
		}
	}
	return Program{}, false
}

// maxShebang is what Linux reads of a first line.
const maxShebang = 255

// readShebang returns the interpreter in the first line of a script, behind
// env too, and its options.
func readShebang(file string) (interpreter string, options []string, ok bool) {
	f, err := os.Open(file)
	if err != nil {
		return "", nil, false
	}
	defer f.Close()
	line, _ := bufio.NewReader(io.LimitReader(f, maxShebang)).ReadString('\n')
	rest, ok := strings.CutPrefix(line, "#!")
	words := strings.Fields(rest)
	if !ok || len(words) == 0 {
		return "", nil, false
	}
	if filepath.Base(words[0]) == "env" {
		isSetting := func(word string) bool { return strings.HasPrefix(word, "-") || strings.Contains(word, "=") }
		for len(words) > 1 && isSetting(words[1]) {
			words = words[1:]
		}
		words = words[1:]
	}
	if len(words) == 0 {
		return "", nil, false
	}
	return words[0], words[1:], true
}

// recognizeBinary looks at a program that is no script.
func recognizeBinary(file string) Recognized {
	if info, err := buildinfo.ReadFile(file); err == nil {
		version, _, _ := strings.Cut(info.GoVersion, " ")
		return Recognized{Program: programOf("go"), Version: version}
	}
	return Recognized{Program: programOf(nativeKind(libraries(file), findMarks(file)))}
}

// libraries are the names of what a binary of any system is linked to.
func libraries(file string) []string {
	var names []string
	if f, err := elf.Open(file); err == nil {
		defer f.Close()
		names, _ = f.ImportedLibraries()
	} else if f, err := macho.Open(file); err == nil {
		defer f.Close()
		names, _ = f.ImportedLibraries()
	} else if f, err := pe.Open(file); err == nil {
		defer f.Close()
		names, _ = f.ImportedLibraries()
	}
	return names
}

// What is looked for in a binary. The Rust crate webpki-roots leaves no name of
// its own behind, but the names of authorities; crates that read the system's
// certificates leave the variable's.
const (
	markRustls    = "rustls"
	markAuthority = "ISRG Root X1"
	markVariable  = "SSL_CERT_FILE"
	markNode      = "NODE_EXTRA_CA_CERTS"
	markBun       = "BUN_OPTIONS"
	markDeno      = "DENO_CERT"
)

// nativeKind is the id of the kind that libraries and marks speak for.
func nativeKind(libraries []string, marks map[string]bool) string {
	links := func(prefix string) bool {
		return slices.ContainsFunc(libraries, func(l string) bool { return strings.HasPrefix(filepath.Base(l), prefix) })
	}
	switch {
	// A runtime with a program inside knows its own variables. They know of each other's.
	case marks[markBun]:
		return "bun"
	case marks[markDeno]:
		return "deno"
	case marks[markNode]:
		return "node"
	case links("libcurl-gnutls"):
		return "libcurl-gnutls"
	case links("libcurl"):
		return "libcurl"
	case links("libpython"):
		return "python"
	case links("libnss3"):
		return "nss"
	case marks[markRustls] && marks[markAuthority] && !marks[markVariable]:
		return "rustls-bundled"
	case marks[markRustls]:
		return "rustls"
	case links("libssl"):
		return "openssl"
	case links("libgnutls"):
		return "gnutls"
	}
	return Unknown
}

// maxBinary bounds what is read of a program.
const maxBinary = 512 << 20

// findMarks reads a binary once and returns which marks are in it.
func findMarks(file string) map[string]bool {
	found := map[string]bool{}
	f, err := os.Open(file)
	if err != nil {
		return found
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return found
	}
	const overlap = 64 // no mark is as long
	buf, kept := make([]byte, 1<<20), 0
	for read := int64(0); read < maxBinary; {
		n, err := f.Read(buf[kept:])
		read += int64(n)
		block := buf[:kept+n]
		for _, mark := range []string{markRustls, markAuthority, markVariable, markNode, markBun, markDeno} {
			found[mark] = found[mark] || bytes.Contains(block, []byte(mark))
		}
		if err != nil {
			break
		}
		kept = copy(buf, block[max(0, len(block)-overlap):])
	}
	return found
}

package provider

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
)

// Errors callers tell apart.
var (
	ErrUnknown = errors.New("unknown provider")                // no definition has the name
	ErrExists  = errors.New("provider exists already")         // registering needs force
	ErrBundled = errors.New("provider is part of the program") // and can't be removed
)

//go:embed builtin/*.jsonc
var builtin embed.FS

// Registry finds definitions by name: the bundled ones, and those in a folder
// of the user's, which go before. It looks at the folder anew each time, and
// parses a definition when somebody asks for it. It is safe for concurrent use.
type Registry struct {
	folder  folder
	bundled map[string]bool

	mu     sync.Mutex
	parsed map[string]*Definition // bundled ones; guarded by mu
	cache  map[string]cached      // custom ones; guarded by mu
}

// Load returns the registry of a folder, "" for none. The folder need not
// exist. Warnings name what in it is no definition; see also Warnings. The
// error says that the folder can't be read or that others may write to it.
func Load(customDir string) (*Registry, []error, error) {
	r := &Registry{
		folder: folder{customDir}, bundled: map[string]bool{},
		parsed: map[string]*Definition{}, cache: map[string]cached{},
	}
	entries, err := builtin.ReadDir("builtin")
	if err != nil {
		return nil, nil, err
	}
	for _, entry := range entries {
		r.bundled[strings.TrimSuffix(entry.Name(), ".jsonc")] = true
	}
	if err := r.folder.check(); err != nil {
		return nil, nil, err
	}
	_, warnings, err := r.folder.list()
	return r, warnings, err
}

// Get returns the definition called name. The error wraps ErrUnknown when
// there is none; a custom definition that can't be read is an error too and
// does not let the bundled one show.
func (r *Registry) Get(name string) (*Definition, error) {
	if err := checkName(name); err != nil {
		return nil, invalidName(name, err)
	}
	def, _, err := r.custom(name)
	if !errors.Is(err, fs.ErrNotExist) {
		return def, err
	}
	if r.bundled[name] {
		return r.parseBundled(name)
	}
	return nil, r.unknown(name)
}

// invalidName is the error for what can't be a name.
func invalidName(name string, err error) error {
	if len(name) > maxShown {
		return fmt.Errorf("%w: what has %d characters is no provider's name", ErrUnknown, len(name))
	}
	return fmt.Errorf("%w: %w", ErrUnknown, err)
}

// unknown is the error for a name nobody has, with the one that may be meant.
func (r *Registry) unknown(name string) error {
	custom, _, _ := r.folder.list()
	if near := nearest(name, append(r.bundledNames(), custom...)); near != "" {
		return fmt.Errorf("%w %q; did you mean %q?", ErrUnknown, name, near)
	}
	if len(name) > maxShown {
		return fmt.Errorf("%w: nobody's name has %d characters", ErrUnknown, len(name))
	}
	return fmt.Errorf("%w %q", ErrUnknown, name)
}

// maxShown is how long an unknown name may be, in bytes, to be repeated in an
// error: what is longer may be a key in the wrong place.
const maxShown = 24

// bundledNames returns the names of the bundled definitions, sorted.
func (r *Registry) bundledNames() []string {
	names := make([]string, 0, len(r.bundled))
	for name := range r.bundled {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// parseBundled parses a bundled definition the first time it is wanted.
func (r *Registry) parseBundled(name string) (*Definition, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if def, ok := r.parsed[name]; ok {
		return def, nil
	}
	file := "builtin/" + name + ".jsonc"
	data, err := builtin.ReadFile(file)
	if err != nil {
		return nil, err
	}
	def, _, err := Parse(data)
	if err != nil {
		return nil, inFile(file, err)
	}
	def.Source = Bundled
	r.parsed[name] = def
	return def, nil
}

// inFile adds the file to the problems of a definition.
func inFile(file string, err error) error {
	var invalid *Invalid
	if errors.As(err, &invalid) {
		invalid.File = file
	}
	return err
}

// All returns every definition that can be read: the bundled ones sorted by
// name, then the custom ones. A custom one hides the bundled one of its name,
// also when it can't be read: Warnings says why.
func (r *Registry) All() []*Definition {
	names, _, _ := r.folder.list()
	var all []*Definition
	for _, name := range r.bundledNames() {
		if slices.Contains(names, name) {
			continue
		}
		if def, err := r.parseBundled(name); err == nil {
			all = append(all, def)
		}
	}
	for _, name := range names {
		if def, _, err := r.custom(name); err == nil {
			all = append(all, def)
		}
	}
	return all
}

// Warnings reads the whole folder and returns what is wrong with it: files
// that are no definitions or can't be used, and fields that mean nothing.
func (r *Registry) Warnings() []error {
	names, warnings, err := r.folder.list()
	if err != nil {
		return []error{err}
	}
	for _, name := range names {
		_, problems, err := r.custom(name)
		if err != nil {
			warnings = append(warnings, err)
		}
		for _, p := range problems {
			warnings = append(warnings, fmt.Errorf("%s:%s", r.folder.path(name), p))
		}
	}
	return warnings
}

// Version changes whenever a file of the folder does.
func (r *Registry) Version() string { return r.folder.version() }

// Register adds a definition to the folder. Unknown fields are mistakes here,
// and the error is then an *Invalid. ErrExists unless force, also for the name
// of a bundled definition.
func (r *Registry) Register(data []byte, force bool) (*Definition, error) {
	def, unknown, err := Parse(data)
	if err != nil {
		return nil, err
	}
	if len(unknown) > 0 {
		return nil, &Invalid{Problems: unknown}
	}
	if !force && (r.bundled[def.Name] || r.folder.has(def.Name)) {
		return nil, fmt.Errorf("%s: %w", def.Name, ErrExists)
	}
	if err := r.folder.write(def.Name, data); err != nil {
		return nil, fmt.Errorf("%s: %w", def.Name, err)
	}
	return r.Get(def.Name)
}

// Removable reports, as an error, why Remove would refuse: ErrBundled or
// ErrUnknown.
func (r *Registry) Removable(name string) error {
	if err := checkName(name); err != nil {
		return invalidName(name, err)
	}
	switch {
	case r.folder.has(name):
		return nil
	case r.bundled[name]:
		return fmt.Errorf("%s: %w", name, ErrBundled)
	}
	return r.unknown(name)
}

// Remove deletes a custom definition. A bundled one of that name shows again.
func (r *Registry) Remove(name string) error {
	if err := r.Removable(name); err != nil {
		return err
	}
	return r.folder.remove(name)
}

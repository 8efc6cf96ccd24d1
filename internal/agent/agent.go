// Package agent knows the coding agents that people run under authsome: the
// variables they look for a key in, what they fetch beside their model, and
// where they keep skills. All of it is data, one file for each agent.
//
// It knows no connection and starts nothing. The data is part of the program,
// so nothing here comes from an attacker; what a profile can do is bounded all
// the same: it names variables that get the placeholder, and requests that
// stay without a credential.
package agent

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/tailscale/hujson"

	"authsome/internal/provider"
)

//go:embed profiles/*.jsonc
var profiles embed.FS

// Profile is what is known about one agent.
type Profile struct {
	Command string `json:"-"`    // its name as a command, and that of its file
	Name    string `json:"name"` // for people

	// Keys are the variables it looks for a provider's key in, by provider. In
	// a run of the agent they hold the placeholder when the provider is
	// connected, also those that the definition does not export.
	Keys map[string][]string `json:"keys,omitempty"`

	// Anonymous are requests that the agent makes of itself and without a key,
	// at hosts that a provider may claim: they get a credential only where the
	// client sent the placeholder.
	Anonymous []provider.Rule `json:"-"`

	Fetches []string `json:"fetches,omitempty"` // hosts beside those of its models, as far as seen

	// Home is its own folder, below the user's, with slashes; when HomeVariable
	// is set, it holds another path for it.
	Home         string `json:"home,omitempty"`
	HomeVariable string `json:"home_variable,omitempty"`
	Skills       Skills `json:"skills,omitzero"`

	Notes  []string `json:"notes,omitempty"`  // for the user, in Markdown
	Tested string   `json:"tested,omitempty"` // the version that test/agents runs
	Docs   []string `json:"docs"`             // the vendor's pages it was compared with
}

// Skills is where an agent looks for skills: folders that hold one folder for
// each. The zero value is for an agent that has none.
type Skills struct {
	User    string `json:"user,omitempty"`    // below the user's home folder, with slashes
	Project string `json:"project,omitempty"` // below the project's folder, with slashes
}

// Find returns the profile of the agent that a command starts, by the last
// part of its path; ok is false for a command that is no agent.
func Find(command string) (p Profile, ok bool, err error) {
	name := strings.TrimSuffix(filepath.Base(command), ".exe")
	p, err = read(name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) {
		return Profile{}, false, nil
	}
	return p, err == nil, err
}

// All returns every profile, by command.
func All() ([]Profile, error) {
	entries, err := profiles.ReadDir("profiles")
	if err != nil {
		return nil, err
	}
	var all []Profile
	for _, entry := range entries {
		p, err := read(strings.TrimSuffix(entry.Name(), ".jsonc"))
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

// file is a Profile as it is written.
type file struct {
	Profile
	Anonymous []string `json:"anonymous"`
}

func read(command string) (Profile, error) {
	data, err := profiles.ReadFile("profiles/" + command + ".jsonc")
	if err != nil {
		return Profile{}, err
	}
	p, err := parse(data)
	if err != nil {
		return Profile{}, fmt.Errorf("profile of %s: %w", command, err)
	}
	p.Command = command
	return p, nil
}

func parse(data []byte) (Profile, error) {
	data, err := hujson.Standardize(data)
	if err != nil {
		return Profile{}, err
	}
	decoder := json.NewDecoder(strings.NewReader(string(data)))
	decoder.DisallowUnknownFields()
	var f file
	if err := decoder.Decode(&f); err != nil {
		return Profile{}, err
	}
	for _, text := range f.Anonymous {
		rule, err := provider.ParseRule(text)
		if err != nil {
			return Profile{}, err
		}
		f.Profile.Anonymous = append(f.Profile.Anonymous, rule)
	}
	return f.Profile, nil
}

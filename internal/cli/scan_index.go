package cli

import (
	"regexp"
	"slices"
	"strings"

	"authsome/internal/credential"
	"authsome/internal/inject"
	"authsome/internal/login"
	"authsome/internal/provider"
	"authsome/internal/secret"
)

// keyIndex knows providers by their variables and the look of their keys.
type keyIndex struct {
	byName   map[string][]*provider.Definition
	byPrefix []prefixed
	sample   *regexp.Regexp // what somebody left to be filled in
}

// prefixed is a provider whose keys begin in a way of their own.
type prefixed struct {
	prefix string
	def    *provider.Definition
}

func newKeyIndex(registry *provider.Registry) *keyIndex {
	index := &keyIndex{
		byName: map[string][]*provider.Definition{},
		sample: regexp.MustCompile(`(?i)your|xxxx|change.?me|example|placeholder|todo|<|\.\.\.`),
	}
	literal := regexp.MustCompile(`^\^?([A-Za-z0-9]+[-_][A-Za-z0-9_-]*|[A-Za-z]{4,})`) // what a pattern begins with
	for _, def := range registry.All() {
		for field, names := range def.Env {
			if !slices.Contains(login.KeyFields(def), field) {
				continue
			}
			for _, name := range names {
				index.byName[name] = append(index.byName[name], def)
			}
		}
		if def.APIKey == nil {
			continue
		}
		if m := literal.FindStringSubmatch(def.APIKey.KeyPattern); m != nil {
			index.byPrefix = append(index.byPrefix, prefixed{m[1], def})
		}
	}
	return index
}

// match returns what a variable is, nil when it is no provider's key.
func (x *keyIndex) match(name, value string) *finding {
	if len(value) < 8 || credential.Check(credential.APIKey, value) != nil || inject.HasPlaceholder(value) {
		return nil
	}
	f := &finding{Variable: name, Value: mask(value), Status: foundNew, key: secret.New(value)}
	owners := x.byName[name]
	liked := slices.DeleteFunc(slices.Clone(owners), func(d *provider.Definition) bool { return !looksLike(d, f.key) })
	switch {
	case len(owners) == 0:
		owners = x.byLook(value, f.key)
		if len(owners) != 1 {
			return nil
		}
		liked = owners
	case x.sample.MatchString(value):
		return nil
	}
	if len(owners) > 1 && len(liked) == 1 {
		owners = liked
	}
	names := make([]string, len(owners))
	for i, def := range owners {
		names[i] = def.Name
	}
	f.Provider = strings.Join(names, ", ")
	fields := login.KeyFields(owners[0])
	switch {
	case len(owners) > 1:
		f.Status = foundAmbiguous
	case len(fields) != 1 || owners[0].NeedsBaseURL():
		f.Status = foundLogin
	case len(liked) == 0:
		f.Status = foundUnlike
	}
	f.field = fields[0]
	return f
}

func looksLike(def *provider.Definition, key secret.Text) bool {
	return def.APIKey == nil || credential.Matches(def.APIKey.Pattern, key)
}

// byLook returns the providers whose keys look like this one, those with the
// longest beginning of their own.
func (x *keyIndex) byLook(value string, key secret.Text) []*provider.Definition {
	var best []*provider.Definition
	longest := 0
	for _, p := range x.byPrefix {
		if !strings.HasPrefix(value, p.prefix) || !looksLike(p.def, key) || len(p.prefix) < longest {
			continue
		}
		if len(p.prefix) > longest {
			best, longest = nil, len(p.prefix)
		}
		best = append(best, p.def)
	}
	return best
}

// mask shows the end of a key that is long enough for that.
func mask(value string) string {
	if len(value) < 20 {
		return "***"
	}
	return "***" + value[len(value)-4:]
}

package provider

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"

	"authsome/internal/inject"
)

// InjectAt returns what is put on a request that rule, one of d's, matches.
// The slice is shared: don't change it.
func (d *Definition) InjectAt(rule Rule) []inject.Injection {
	if d.placed == nil {
		return d.Inject
	}
	return d.placed[rule.String()]
}

// Fields returns the names of the credential's fields that the injections
// need, sorted, each once.
func (d *Definition) Fields() []string {
	var fields []string
	for _, injection := range d.Inject {
		fields = append(fields, injection.Fields()...)
	}
	slices.Sort(fields)
	return slices.Compact(fields)
}

// RuleFor returns the most specific of d's rules that match a request for u.
func (d *Definition) RuleFor(u *url.URL) (Rule, bool) {
	port, err := urlPort(u)
	if err != nil {
		return Rule{}, false
	}
	var best Rule
	for _, rule := range d.Rules {
		if rule.Match(u.Hostname(), port, u.EscapedPath()) && rule.specificity() > best.specificity() {
			best = rule
		}
	}
	return best, best.Kind != 0
}

// fillPlaces returns the host rules of an injection, filled, that are rules of
// this installation. Nil stands for an injection that names none.
func (b *builder) fillPlaces(at string, places []string) []string {
	if places == nil {
		return nil
	}
	known := b.HostURL
	if b.SelfHosted != nil {
		known = slices.Concat(known, b.SelfHosted.HostURL, b.vendorHosts)
	}
	filled := []string{}
	for i, place := range places {
		if !slices.Contains(known, place) {
			b.report(at+"/at/"+strconv.Itoa(i), fmt.Errorf("%s is not a rule of host_url", quote(place)))
		}
		if slices.Contains(b.HostURL, place) {
			value, _ := b.filled(place)
			filled = append(filled, value)
		}
	}
	return filled
}

// place says which injections go with which rule: those that name it, and for
// a rule that none names those that name none. It returns nil where all go
// with every rule.
func (b *builder) place(def *Definition) map[string][]inject.Injection {
	if !slices.ContainsFunc(def.Inject, func(i inject.Injection) bool { return i.Spec().At != nil }) {
		return nil
	}
	placed := make(map[string][]inject.Injection, len(def.Rules))
	for _, written := range def.HostURL {
		rule, err := ParseRule(written)
		if err != nil {
			continue // reported, or still without its base
		}
		var named, rest []inject.Injection
		for _, injection := range def.Inject {
			if places := injection.Spec().At; places == nil {
				rest = append(rest, injection)
			} else if slices.Contains(places, written) {
				named = append(named, injection)
			}
		}
		if named == nil {
			named = rest
		}
		if len(named) == 0 {
			b.report("/inject", errors.New("has nothing for "+rule.String()))
		}
		placed[rule.String()] = named
	}
	return placed
}

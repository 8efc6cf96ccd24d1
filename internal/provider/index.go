package provider

import (
	_ "embed"
	"slices"
	"strings"
)

// hostIndex has a line for each bundled definition: its name and the hosts of
// its rules. A run's certificate authority wants the hosts of all of them at
// every start, and parsing all files for that takes longer than the rest of
// the start. TestHostIndex proves it true and, with -update, writes it.
//
//go:embed builtin.hosts
var hostIndex string

// Hosts returns the host patterns, as Rule.Hosts writes them, of every
// definition that admit lets in, sorted. Definitions that need a base URL have
// none, and neither have custom ones that can't be read.
func (r *Registry) Hosts(admit func(name string) bool) []string {
	custom, _, _ := r.folder.list()
	var hosts []string
	for line := range strings.Lines(hostIndex) {
		words := strings.Fields(line)
		if admit(words[0]) && !slices.Contains(custom, words[0]) {
			hosts = append(hosts, words[1:]...)
		}
	}
	for _, name := range custom {
		if def, _, err := r.custom(name); err == nil && admit(name) {
			hosts = append(hosts, def.hosts()...)
		}
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

// hosts returns the host patterns of all rules.
func (d *Definition) hosts() []string {
	var hosts []string
	for _, rule := range d.Rules {
		hosts = append(hosts, rule.Hosts()...)
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

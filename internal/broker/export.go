package broker

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"authsome/internal/audit"
	"authsome/internal/credential"
	"authsome/internal/provider"
	"authsome/internal/secret"
)

// Variable is one exported value.
type Variable struct {
	Name       string // of the environment variable
	Value      secret.Text
	Provider   string
	Connection string
	Clash      bool // Name was lengthened because another connection has the plain one
}

// Export returns the values of one connection (name "" means the default), or
// with provider "" of all of them, sorted by provider, connection and name.
// Access tokens and API keys only, never a refresh token or client secret.
// What is near its expiry is refreshed first. A credential that can't be had
// fresh is an error of type *Denied: nothing is exported then.
func (b *Broker) Export(ctx context.Context, providerName, name string) ([]Variable, error) {
	connections, err := b.exported(ctx, providerName, name)
	if err != nil {
		return nil, err
	}
	var variables []Variable
	taken := map[string]bool{}
	for _, c := range connections {
		def, err := b.config.Catalog.Get(c.Provider)
		if err != nil {
			return nil, err
		}
		if c, err = b.fresh(ctx, c, true); err != nil {
			return nil, err
		}
		variables = append(variables, exportOne(def, c, taken)...)
	}
	for _, c := range connections {
		if err := b.record(audit.Entry{Event: audit.Export, Provider: c.Provider, Connection: c.Name}); err != nil {
			return nil, err
		}
	}
	return variables, nil
}

// exported returns the connections to export, defaults first, so that they
// get the plain names.
func (b *Broker) exported(ctx context.Context, providerName, name string) ([]Connection, error) {
	if providerName != "" {
		if _, err := b.config.Catalog.Get(providerName); err != nil {
			return nil, err
		}
		c, err := b.Connection(ctx, providerName, name)
		return []Connection{c}, err
	}
	all, err := b.Connections(ctx)
	if err != nil {
		return nil, err
	}
	isDefault := map[string]bool{}
	for _, c := range all {
		if d, err := b.Default(ctx, c.Provider, all); err == nil && d == c.Name {
			isDefault[c.String()] = true
		}
	}
	slices.SortStableFunc(all, func(x, y Connection) int {
		if isDefault[x.String()] == isDefault[y.String()] {
			return 0
		}
		if isDefault[x.String()] {
			return -1
		}
		return 1
	})
	return all, nil
}

func exportOne(def *provider.Definition, c Connection, taken map[string]bool) []Variable {
	var variables []Variable
	for _, field := range credential.FieldNames() {
		value := c.Credential.Field(field)
		if value.IsZero() || !credential.Injectable(field) && !credential.Signs(field) {
			continue
		}
		for _, name := range def.Env[field] {
			free := freeName(name, c.Name, taken)
			taken[free] = true
			variables = append(variables, Variable{free, value, c.Provider, c.Name, free != name})
		}
	}
	return variables
}

// freeName lengthens name until no other connection has it.
func freeName(name, connection string, taken map[string]bool) string {
	if !taken[name] {
		return name
	}
	suffixed := name + "_" + strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z':
			return c - 'a' + 'A'
		case c >= 'A' && c <= 'Z' || c >= '0' && c <= '9':
			return c
		}
		return '_'
	}, connection)
	free := suffixed
	for n := 2; taken[free]; n++ {
		free = fmt.Sprintf("%s_%d", suffixed, n)
	}
	return free
}

// ShowSecret writes to the audit log that a secret field is about to be shown.
func (b *Broker) ShowSecret(c Connection, field string) error {
	return b.record(audit.Entry{Event: audit.ShowSecret, Provider: c.Provider, Connection: c.Name, Detail: field})
}

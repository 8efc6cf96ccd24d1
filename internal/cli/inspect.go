package cli

import (
	"encoding/json"
	"time"

	"github.com/spf13/cobra"

	"authsome/internal/provider"
)

func newInspect(a *app) *cobra.Command {
	var schema bool
	c := &cobra.Command{
		Use:   "inspect PROVIDER",
		Short: "Show a provider's definition and its connections, as JSON",
		Long: `Show the definition of a provider as it is in force, with defaults filled in, and
its connections. The output is JSON with or without --json.
` + exitCodes(0, 2, 3, 7),
		Example: `  authsome inspect github
  authsome inspect --schema > provider.schema.json`,
		Args: func(c *cobra.Command, args []string) error {
			if schema {
				return cobra.NoArgs(c, args)
			}
			return cobra.ExactArgs(1)(c, args)
		},
		ValidArgsFunction: a.completeProviders,
		RunE: func(c *cobra.Command, args []string) error {
			if schema {
				_, err := a.stdout.Write(provider.Schema())
				return err
			}
			return a.inspect(c, args[0])
		},
	}
	c.Flags().BoolVar(&schema, "schema", false, "print the JSON Schema of definitions instead")
	return c
}

func (a *app) inspect(c *cobra.Command, name string) error {
	b, registry, err := a.broker()
	if err != nil {
		return err
	}
	defer b.Close()
	def, err := registry.Get(name)
	if err != nil {
		return err
	}
	all, err := b.Connections(c.Context())
	if err != nil {
		return err
	}
	type connection struct {
		Name      string     `json:"connection_name"`
		AuthType  string     `json:"auth_type"`
		Status    string     `json:"status"`
		BaseURL   any        `json:"base_url"`
		HostURL   []string   `json:"host_url"`
		Scopes    []string   `json:"scopes"`
		ExpiresAt *time.Time `json:"expires_at"`
	}
	connections := []connection{}
	for _, conn := range all {
		if conn.Provider == name {
			l := listConnection(conn, false)
			connections = append(connections, connection{conn.Name, conn.AuthType, l.Status, optional(conn.BaseURL), conn.Hosts, list(l.Scopes), l.ExpiresAt})
		}
	}
	document, err := json.Marshal(def.JSON())
	if err != nil {
		return err
	}
	var fields map[string]any
	if err := json.Unmarshal(document, &fields); err != nil {
		return err
	}
	fields["connections"] = connections
	fields["source"] = string(def.Source)
	a.json = true
	return a.print(fields, nil)
}

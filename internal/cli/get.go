package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"authsome/internal/broker"
	"authsome/internal/credential"
)

type getOptions struct {
	connection, field string
	showSecret        bool
}

func newGet(a *app) *cobra.Command {
	var o getOptions
	c := &cobra.Command{
		Use:   "get PROVIDER",
		Short: "Show one connection, secrets hidden",
		Long: `Show one connection's record. Secret fields appear as *** unless --show-secret is
given, which is written to the audit log.
` + exitCodes(0, 1, 2, 3, 5, 7),
		Example: `  authsome get openai
  authsome get github --connection work --field status
  authsome get openai --field api_key --show-secret`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeConnected,
		RunE:              func(c *cobra.Command, args []string) error { return a.get(c, args[0], o) },
	}
	f := c.Flags()
	f.StringVar(&o.connection, "connection", "", "`NAME` of the connection (default: the provider's default one)")
	f.StringVar(&o.field, "field", "", "print the value of this `FIELD` only")
	f.BoolVar(&o.showSecret, "show-secret", false, "show secret fields in clear")
	_ = c.RegisterFlagCompletionFunc("connection", a.completeConnections)
	return c
}

func (a *app) get(c *cobra.Command, providerName string, o getOptions) error {
	b, conn, err := a.connection(c.Context(), providerName, o.connection)
	if err != nil {
		return err
	}
	defer b.Close()
	fields := connectionFields(conn, a.profileName())
	if o.field != "" {
		i := slices.IndexFunc(fields, func(f field) bool { return f.name == o.field })
		if i < 0 {
			return &hinted{fmt.Errorf("%s has no field %q", conn, o.field), "fields: " + fieldNames(fields)}
		}
		fields = fields[i : i+1]
	}
	if o.showSecret && conn.Source != nil && slices.ContainsFunc(fields, func(f field) bool { return f.secret }) {
		if conn, err = b.Fresh(c.Context(), conn); err != nil {
			return err
		}
	}
	if err := reveal(b, conn, fields, o.showSecret); err != nil {
		return err
	}
	return a.print(object(fields), func(w io.Writer) { printFields(w, fields, o.field != "") })
}

// field is one line of a record. A secret one has no value until it is shown.
type field struct {
	name   string
	value  any
	secret bool
}

func connectionFields(c broker.Connection, profile string) []field {
	fields := []field{
		{"provider", c.Provider, false}, {"profile", profile, false}, {"connection_name", c.Name, false},
		{"auth_type", c.AuthType, false}, {"status", string(c.Status(time.Now())), false},
		{"base_url", optional(c.BaseURL), false}, {"host_url", c.Hosts, false}, {"scopes", list(c.Credential.Scopes), false},
	}
	for _, name := range credential.FieldNames() {
		if !c.Credential.Field(name).IsZero() || slices.Contains(sourceFields(c), name) {
			fields = append(fields, field{name, "***", true})
		}
	}
	var expires any
	if !c.Credential.Expiry.IsZero() {
		expires = c.Credential.Expiry.UTC().Format(time.RFC3339)
	}
	if c.Source != nil {
		fields = append(fields, field{"source", sourceKind(c.Source) + ": " + sourcePlace(c.Source), false}, field{"max_age", c.Source.MaxAge.String(), false})
	}
	return append(fields, field{"expires_at", expires, false},
		field{"obtained_at", c.ObtainedAt.UTC().Format(time.RFC3339), false}, field{"account", optional(c.Account), false})
}

func optional(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func list(s []string) []string { return append([]string{}, s...) }

// reveal fills in secret fields, each after its audit line.
func reveal(b *broker.Broker, c broker.Connection, fields []field, show bool) error {
	for i, f := range fields {
		if !f.secret || !show {
			continue
		}
		if err := b.ShowSecret(c, f.name); err != nil {
			return err
		}
		fields[i].value = c.Credential.Field(f.name).Reveal()
	}
	return nil
}

func fieldNames(fields []field) string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	return strings.Join(names, ", ")
}

// object is fields as a JSON object that keeps their order.
func object(fields []field) json.RawMessage {
	var b strings.Builder
	b.WriteString("{")
	for i, f := range fields {
		if i > 0 {
			b.WriteString(",")
		}
		value, _ := json.Marshal(f.value) // strings, lists of strings and nil: can't fail
		fmt.Fprintf(&b, "%q:%s", f.name, value)
	}
	b.WriteString("}")
	return json.RawMessage(b.String())
}

func printFields(w io.Writer, fields []field, bare bool) {
	for _, f := range fields {
		text := fmt.Sprint(f.value)
		switch v := f.value.(type) {
		case nil:
			text = "-"
		case []string:
			text = dash(strings.Join(v, " "))
		}
		if !bare {
			text = f.name + ": " + text
		}
		fmt.Fprintln(w, text)
	}
}

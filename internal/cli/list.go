package cli

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"authsome/internal/broker"
	"authsome/internal/provider"
)

// listedProvider is one provider of `list --json`.
type listedProvider struct {
	Name        string             `json:"name"`
	DisplayName string             `json:"display_name"`
	AuthType    string             `json:"auth_type"`
	Source      string             `json:"source"`
	Connections []listedConnection `json:"connections"`
}

type listedConnection struct {
	Name      string     `json:"connection_name"`
	AuthType  string     `json:"auth_type"`
	Status    string     `json:"status"`
	IsDefault bool       `json:"is_default"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
	Since     *time.Time `json:"expired_since,omitempty"`
	Account   string     `json:"account,omitempty"`
	Scopes    []string   `json:"scopes,omitempty"`
	Source    string     `json:"source,omitempty"` // command or environment: the vault has no key

	from string
}

func newList(a *app) *cobra.Command {
	var connected bool
	c := &cobra.Command{
		Use:   "list",
		Short: "Show every provider and its connections",
		Long: `Show every provider, where its definition comes from, and its connections with
their status. Providers with a connection come first; * marks the default one.
` + exitCodes(0, 7),
		Example: `  authsome list
  authsome list --connected
  authsome list --json | jq '.bundled[].name'`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.list(c, connected) },
	}
	c.Flags().BoolVar(&connected, "connected", false, "only providers that have a connection")
	return c
}

func (a *app) list(c *cobra.Command, onlyConnected bool) error {
	b, registry, err := a.broker()
	if err != nil {
		return err
	}
	defer b.Close()
	a.warnDefinitions(registry.Warnings())
	connections, damage := b.Connections(c.Context())
	if damage != nil && len(connections) == 0 {
		return damage
	}
	listed, err := listProviders(c, b, registry.All(), connections)
	if err != nil {
		return err
	}
	if onlyConnected {
		listed = slices.DeleteFunc(listed, func(p listedProvider) bool { return len(p.Connections) == 0 })
	}
	if err := a.print(bySource(listed), func(w io.Writer) { a.listTable(w, listed) }); err != nil {
		return err
	}
	if damage != nil && a.json {
		a.warn("%v", damage)
		return &exitError{exit: exitVault}
	}
	return damage
}

func listProviders(c *cobra.Command, b *broker.Broker, all []*provider.Definition, connections []broker.Connection) ([]listedProvider, error) {
	listed := make([]listedProvider, 0, len(all))
	for _, def := range all {
		p := listedProvider{def.Name, def.DisplayName, def.AuthType, string(def.Source), []listedConnection{}}
		chosen, err := b.Default(c.Context(), def.Name, connections)
		var missing *broker.NotConnected
		var none *broker.NoDefault
		if err != nil && !errors.As(err, &missing) && !errors.As(err, &none) {
			return nil, err
		}
		for _, conn := range connections {
			if conn.Provider == def.Name {
				p.Connections = append(p.Connections, listConnection(conn, conn.Name == chosen))
			}
		}
		listed = append(listed, p)
	}
	return listed, nil
}

func listConnection(c broker.Connection, isDefault bool) listedConnection {
	l := listedConnection{
		Name: c.Name, AuthType: c.AuthType, Status: string(c.Status(time.Now())), IsDefault: isDefault,
		Account: c.Account, Scopes: c.Credential.Scopes, Source: sourceKind(c.Source),
	}
	if c.Source != nil {
		l.from = sourceName(*c.Source)
	}
	if !c.Credential.Expiry.IsZero() {
		l.ExpiresAt = &c.Credential.Expiry
	}
	if since := c.ExpiredSince(); l.Status == string(broker.Expired) {
		l.Since = &since
	}
	return l
}

// bySource is the form of the JSON document.
func bySource(listed []listedProvider) map[string][]listedProvider {
	document := map[string][]listedProvider{"bundled": {}, "custom": {}}
	for _, p := range listed {
		document[p.Source] = append(document[p.Source], p)
	}
	return document
}

func (a *app) listTable(w io.Writer, listed []listedProvider) {
	connected := 0
	rows := [][]string{{"PROVIDER", "SOURCE", "AUTH", "CONNECTION", "STATUS", "EXPIRES", "ACCOUNT", "SCOPES"}}
	styles := []string{bold}
	ordered := slices.Clone(listed)
	slices.SortStableFunc(ordered, func(x, y listedProvider) int { return min(len(y.Connections), 1) - min(len(x.Connections), 1) })
	for _, p := range ordered {
		if len(p.Connections) == 0 {
			rows = append(rows, []string{label(p), p.Source, p.AuthType, "-", "not connected", "-", "-", "-"})
			styles = append(styles, dim)
			continue
		}
		connected++
		for _, c := range p.Connections {
			rows = append(rows, []string{label(p), p.Source, p.AuthType, mark(c), statusWords(c), expiryWords(c), dash(c.Account), dash(strings.Join(c.Scopes, " "))})
			styles = append(styles, map[bool]string{true: green, false: red}[c.Status == string(broker.Connected)])
		}
	}
	fmt.Fprintf(w, "Providers: %d total, %d connected\n", len(listed), connected)
	a.table(w, rows, func(i int) string { return styles[i] })
}

func label(p listedProvider) string { return p.Name + " (" + p.DisplayName + ")" }

func mark(c listedConnection) string {
	if c.IsDefault {
		return c.Name + " *"
	}
	return c.Name
}

func statusWords(c listedConnection) string {
	if c.Status == string(broker.Expired) {
		return "expired " + when(*c.Since, time.Now()) + ": log in again"
	}
	if c.from != "" {
		return c.Status + ", from " + c.from
	}
	return c.Status
}

func expiryWords(c listedConnection) string {
	if c.ExpiresAt == nil {
		return "-"
	}
	return when(*c.ExpiresAt, time.Now())
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

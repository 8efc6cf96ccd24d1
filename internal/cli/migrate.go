package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"authsome/internal/broker"
	"authsome/internal/login"
	"authsome/internal/original"
	"authsome/internal/provider"
	"authsome/internal/vault"
)

type migrateOptions struct{ dryRun, force, yes bool }

func newMigrate(a *app) *cobra.Command {
	var o migrateOptions
	c := &cobra.Command{
		Use:   "migrate [FOLDER]",
		Short: "Carry over what authsome's Python original has stored",
		Long: `Carry over what authsome's Python original has stored in FOLDER, its home folder
(default: the one that this authsome uses as well): profiles, connections, OAuth
clients, default connections and custom providers. Nothing in there is changed.

A connection that is here already is left as it is. Run it again as often as you
like. What can't be carried over is named, and the exit code is 1 then.
` + exitCodes(0, 1, 2, 7, 8),
		Example: `  authsome migrate --dry-run
  authsome migrate
  authsome migrate /old/home/.authsome --yes`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return a.migrate(c.Context(), args, o) },
	}
	f := c.Flags()
	f.BoolVar(&o.dryRun, "dry-run", false, "show what would be carried over, and change nothing")
	f.BoolVar(&o.force, "force", false, "replace connections that are here already")
	f.BoolVar(&o.yes, "yes", false, "don't ask")
	return c
}

// migration is one run of the command, and its report.
type migration struct {
	app     *app
	ctx     context.Context
	options migrateOptions
	from    *original.Home
	brokers map[string]*broker.Broker // by profile

	From       string         `json:"from"`
	DryRun     bool           `json:"dry_run"`
	KeySources []string       `json:"key_sources"`
	Results    []migratedItem `json:"results"`
}

// migratedItem is what became of one thing.
type migratedItem struct {
	Kind       string   `json:"kind"` // provider, client, connection, default, problem
	Profile    string   `json:"profile,omitempty"`
	Provider   string   `json:"provider,omitempty"`
	Connection string   `json:"connection,omitempty"`
	Status     string   `json:"status"` // imported, already, kept, failed
	Reason     string   `json:"reason,omitempty"`
	Notes      []string `json:"notes,omitempty"`
}

func (a *app) migrate(ctx context.Context, args []string, o migrateOptions) error {
	h, err := a.home()
	if err != nil {
		return err
	}
	dir := string(h)
	if len(args) > 0 {
		if dir, err = filepath.Abs(args[0]); err != nil {
			return err
		}
	}
	from, err := original.Read(ctx, dir, original.Keys{Environment: a.getenv(masterKeyVariable), Keyring: a.originalKeyring})
	if err != nil {
		return err
	}
	m := &migration{app: a, ctx: ctx, options: o, from: from, brokers: map[string]*broker.Broker{}, From: dir, DryRun: o.dryRun, KeySources: list(from.KeySources), Results: []migratedItem{}}
	defer m.close()
	if err := m.confirm(); err != nil {
		return err
	}
	if err := m.run(); err != nil {
		return err
	}
	return m.print()
}

// originalKeyring reads the original's entry in the OS keyring.
func (a *app) originalKeyring(ctx context.Context) (string, error) {
	text, err := vault.ReadKeyring(ctx, "master_key", a.getenv("DBUS_SESSION_BUS_ADDRESS"))
	return text.Reveal(), err
}

// confirm asks. Custom definitions say where credentials go.
func (m *migration) confirm() error {
	if m.options.dryRun || m.options.yes || len(m.from.Connections)+len(m.from.Definitions)+len(m.from.Clients) == 0 {
		return nil
	}
	if err := m.app.canAsk("look at it with --dry-run, then add --yes"); err != nil {
		return err
	}
	w := m.app.sys.Stderr
	fmt.Fprintf(w, "%d connections, %d OAuth clients and %d custom providers are in %s.\n", len(m.from.Connections), len(m.from.Clients), len(m.from.Definitions), printableLines(m.From))
	for _, d := range m.from.Definitions {
		if def, _, err := provider.Parse(d.Data); err == nil {
			fmt.Fprintf(w, "  %s sends its credential to %s\n", def.Name, printableLines(strings.Join(def.HostURL, ", ")))
		}
	}
	return m.app.ask(m.ctx, "Carry them over?")
}

// run carries everything over. An error is one of ours, after which the rest
// would fare no better.
func (m *migration) run() error {
	for _, p := range m.from.Problems {
		m.Results = append(m.Results, migratedItem{Kind: "problem", Status: "failed", Reason: p.What + ": " + p.Err.Error()})
	}
	for _, d := range m.from.Definitions {
		if err := m.add(migratedItem{Kind: "provider", Provider: d.Name}, func(*migratedItem) (bool, error) { return m.definition(d) }); err != nil {
			return err
		}
	}
	for _, c := range m.clients() {
		item := migratedItem{Kind: "client", Profile: c.Profile, Provider: c.Provider}
		if err := m.add(item, func(*migratedItem) (bool, error) { return m.client(c) }); err != nil {
			return err
		}
	}
	for _, c := range m.from.Connections {
		item := migratedItem{Kind: "connection", Profile: c.Profile, Provider: c.Provider, Connection: c.Name}
		if err := m.add(item, func(item *migratedItem) (bool, error) { return m.connection(c, item) }); err != nil {
			return err
		}
	}
	for _, d := range m.from.Defaults {
		item := migratedItem{Kind: "default", Profile: d.Profile, Provider: d.Provider, Connection: d.Connection}
		if err := m.add(item, func(*migratedItem) (bool, error) { return m.setDefault(d) }); err != nil {
			return err
		}
	}
	return m.ctx.Err()
}

// add does one thing and writes down what became of it.
func (m *migration) add(item migratedItem, do func(*migratedItem) (already bool, err error)) error {
	already, err := do(&item)
	switch {
	case errors.Is(err, broker.ErrKept):
		item.Status, item.Reason = "kept", err.Error()
	case err != nil && isFatal(err):
		return err
	case err != nil:
		item.Status, item.Reason = "failed", err.Error()
	case already:
		item.Status = "already"
	default:
		item.Status = "imported"
	}
	m.Results = append(m.Results, item)
	return nil
}

// isFatal reports whether an error is about the vault or the audit log, not
// about one thing.
func isFatal(err error) bool {
	return errors.Is(err, broker.ErrAudit) || errors.Is(err, context.Canceled) || classify(err).exit == exitVault
}

// broker returns the broker of a profile.
func (m *migration) broker(profile string) (*broker.Broker, error) {
	if b, ok := m.brokers[profile]; ok {
		return b, nil
	}
	if err := broker.CheckName(profile); err != nil {
		return nil, fmt.Errorf("profile: %w", err)
	}
	b, _, err := m.app.brokerOf(profile)
	if err == nil {
		m.brokers[profile] = b
	}
	return b, err
}

func (m *migration) close() {
	for _, b := range m.brokers {
		_ = b.Close() // nothing is written after the last change
	}
}

// definition registers a custom provider, unless it is here.
func (m *migration) definition(d original.Definition) (already bool, err error) {
	def, _, err := provider.Parse(d.Data)
	if err != nil {
		return false, err
	}
	if def.Name != d.Name {
		return false, fmt.Errorf("the definition is called %q", def.Name)
	}
	b, err := m.broker(broker.DefaultName)
	if err != nil {
		return false, err
	}
	h, err := m.app.home()
	if err != nil {
		return false, err
	}
	path := filepath.Join(h.providers(), def.Name+".json")
	here, err := os.ReadFile(path)
	switch {
	case err == nil && string(here) == string(d.Data):
		return true, nil
	case err == nil && !m.options.force:
		return false, fmt.Errorf("provider %s: %w", def.Name, broker.ErrKept)
	case m.options.dryRun:
		return false, nil
	}
	_, err = b.Register(d.Data, true)
	return false, err
}

// clients are the clients of each profile: the server's are everybody's.
func (m *migration) clients() []original.Client {
	var all []original.Client
	for _, c := range m.from.Clients {
		if c.Profile != "" {
			all = append(all, c)
			continue
		}
		for _, profile := range m.profiles() {
			c.Profile = profile
			all = append(all, c)
		}
	}
	return all
}

func (m *migration) profiles() []string {
	seen := map[string]bool{}
	var profiles []string
	for _, c := range m.from.Connections {
		if !seen[c.Profile] {
			seen[c.Profile] = true
			profiles = append(profiles, c.Profile)
		}
	}
	if len(profiles) == 0 {
		profiles = []string{broker.DefaultName}
	}
	return profiles
}

func (m *migration) client(c original.Client) (already bool, err error) {
	b, err := m.broker(c.Profile)
	if err != nil {
		return false, err
	}
	return b.ImportClient(m.ctx, c.Provider, c.BaseURL, &login.Client{ID: c.ID, Secret: c.Secret}, m.options.dryRun)
}

// clientOf is the client that a connection was given to.
func (m *migration) clientOf(profile, providerName string) *login.Client {
	for _, c := range m.from.Clients {
		if c.Provider == providerName && (c.Profile == profile || c.Profile == "") {
			return &login.Client{ID: c.ID, Secret: c.Secret}
		}
	}
	return nil
}

func (m *migration) connection(c original.Connection, item *migratedItem) (already bool, err error) {
	switch {
	case c.Cookies:
		return false, errors.New("it is a browser's session: log in anew")
	case c.Status == "revoked" || c.Status == "invalid":
		return false, fmt.Errorf("it was %s: log in anew", c.Status)
	}
	b, err := m.broker(c.Profile)
	if err != nil {
		return false, err
	}
	name := addressable(c.Name)
	out, err := b.Import(m.ctx, broker.Import{
		Provider: c.Provider, Name: name, BaseURL: c.BaseURL, Hosts: c.Hosts, Key: c.APIKey, AccessToken: c.AccessToken,
		RefreshToken: c.RefreshToken, Scopes: c.Scopes, ExpiresAt: c.ExpiresAt, ObtainedAt: c.ObtainedAt,
		Client: m.clientOf(c.Profile, c.Provider), Private: isPrivate, Force: m.options.force, DryRun: m.options.dryRun,
	})
	item.Notes = out.Notes
	if name != c.Name {
		item.Notes = append(item.Notes, fmt.Sprintf("it was called %q", c.Name))
		item.Connection = name
	}
	if err == nil && out.Connection.Status(time.Now()) == broker.Expired {
		item.Notes = append(item.Notes, "it has expired: log in anew")
	}
	return out.Already, err
}

// addressable is the name with what no connection's name may hold replaced.
func addressable(name string) string {
	if broker.CheckName(name) == nil {
		return name
	}
	safe := strings.Map(func(r rune) rune {
		if broker.CheckName("x"+string(r)) == nil {
			return r
		}
		return '-'
	}, name)
	safe = strings.TrimLeft(safe, "._@+-")
	if broker.CheckName(safe) != nil {
		return name // which is refused, with the reason
	}
	return safe
}

func (m *migration) setDefault(d original.Default) (already bool, err error) {
	b, err := m.broker(d.Profile)
	if err != nil {
		return false, err
	}
	all, err := b.Connections(m.ctx)
	if err != nil {
		return false, err
	}
	name := addressable(d.Connection)
	switch chosen, err := b.Default(m.ctx, d.Provider, all); {
	case err == nil && chosen == name:
		return true, nil
	case m.options.dryRun:
		return false, nil
	}
	return false, b.SetDefault(m.ctx, d.Provider, name)
}

// print prints the report. What is missing makes the exit code 1.
func (m *migration) print() error {
	counts := map[string]int{}
	for _, item := range m.Results {
		counts[item.Status]++
	}
	if err := m.app.print(m, func(w io.Writer) { m.text(w, counts) }); err != nil {
		return err
	}
	if !m.options.dryRun && counts["imported"] > 0 {
		m.app.notice("Use one of the two from now on: both hold the same refresh tokens, and who uses one first takes it from the other.")
	}
	if counts["failed"] > 0 {
		return &exitError{exit: exitOther}
	}
	return nil
}

func (m *migration) text(w io.Writer, counts map[string]int) {
	done := map[bool]string{false: "imported", true: "would be imported"}[m.DryRun]
	rows := [][]string{{"WHAT", "PROFILE", "PROVIDER", "CONNECTION", "STATUS", "NOTE"}}
	for _, i := range m.Results {
		status := i.Status
		if status == "imported" {
			status = done
		}
		rows = append(rows, []string{i.Kind, dash(i.Profile), dash(i.Provider), dash(i.Connection), status, dash(strings.Join(append(i.Notes, compact(i.Reason)...), "; "))})
	}
	if len(rows) > 1 {
		m.app.table(w, rows, nil)
	}
	fmt.Fprintf(w, "%d %s, %d here already, %d kept as they were, %d could not be carried over.\n", counts["imported"], done, counts["already"], counts["kept"], counts["failed"])
}

func compact(reason string) []string {
	if reason == "" {
		return nil
	}
	return []string{strings.ReplaceAll(reason, "\n", " ")}
}

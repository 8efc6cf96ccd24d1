package broker

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"authsome/internal/credential"
	"authsome/internal/inject"
	"authsome/internal/provider"
)

// recheck is how long a session trusts its snapshot before it looks whether
// the vault or the providers changed.
const recheck = 250 * time.Millisecond

// Selection narrows what a run may use.
type Selection struct {
	Connections map[string]string // provider to connection name, instead of the default
	Only        []string          // when not empty, no other provider is used
	Placeholder bool              // inject only where the client sent the placeholder
	Anonymous   []provider.Rule   // where that holds also without Placeholder
	Denied      []string          // providers whose credential is also used where the definition denies it
	Policy      *provider.Policy  // what the run may ask of the hosts that providers claim; nil: everything
}

// Session is the broker's side of one run: it answers, for every request,
// which credential belongs on it. It follows logins, logouts and changed
// definitions made elsewhere within a second. It is safe for concurrent use.
type Session struct {
	broker    *Broker
	selection Selection

	mu      sync.Mutex // guards all below
	current *snapshot
	stamp   string
	checked time.Time
	claimed map[string]*provider.Definition // by group: every one that was connected at some time in this run
	pinned  map[string]*provider.Policy     // by connection: the first policy it had in this run, which nobody can take off
}

// snapshot is what a session knows at one time.
type snapshot struct {
	table  *provider.Table
	groups map[string]*group
	hidden []string // variables that have values of connections
	broken error    // the vault or a definition can't be read: nothing may be used
}

// group is the connections of one provider that share a base URL, and so the
// hosts. For nearly every provider there is one group.
type group struct {
	def         *provider.Definition
	connections map[string]*Connection
	chosen      string // the connection that is used unless the client names one
	noDefault   error  // why there is none
}

// Session starts a session. It fails when the vault can't be read, or when
// the selection names something that does not exist.
func (b *Broker) Session(ctx context.Context, s Selection) (*Session, error) {
	session := &Session{broker: b, selection: s, claimed: map[string]*provider.Definition{}, pinned: map[string]*provider.Policy{}}
	if err := session.checkSelection(ctx); err != nil {
		return nil, err
	}
	snap := session.snapshot()
	if snap.broken != nil {
		return nil, snap.broken
	}
	return session, nil
}

// checkSelection refuses a provider or connection that does not exist.
func (s *Session) checkSelection(ctx context.Context) error {
	for _, name := range slices.Concat(s.selection.Only, s.selection.Denied) {
		if _, err := s.broker.config.Catalog.Get(name); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.selection.Connections)) {
		if _, err := s.broker.config.Catalog.Get(name); err != nil {
			return err
		}
		if _, err := s.broker.named(ctx, name, s.selection.Connections[name]); err != nil {
			return err
		}
	}
	return nil
}

// snapshot returns what is true now, give or take recheck.
func (s *Session) snapshot() *snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != nil && now().Sub(s.checked) < recheck {
		return s.current
	}
	ctx := context.Background() // the snapshot serves every request, not the one that found it stale
	stamp, err := s.broker.stamp(ctx)
	s.checked = now()
	if err == nil && s.current != nil && s.current.broken == nil && stamp == s.stamp {
		return s.current
	}
	s.current, s.stamp = s.load(ctx, err), stamp
	return s.current
}

// distrust makes the next request look whether the vault has changed.
func (s *Session) distrust() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.checked = time.Time{}
}

// stamp changes whenever the vault or the custom providers do.
func (b *Broker) stamp(ctx context.Context) (string, error) {
	definitions := b.config.Catalog.Version()
	v, err := b.opened(ctx)
	if err != nil || v == nil {
		return definitions, err
	}
	records, err := v.Version(ctx)
	return records + "|" + definitions, err
}

// load reads everything anew. What can't be read makes the snapshot broken:
// its hosts stay claimed, and every request to them is refused.
func (s *Session) load(ctx context.Context, broken error) *snapshot {
	snap := &snapshot{groups: map[string]*group{}}
	var all []Connection
	if broken == nil { // else it is the same fault, and a keyring that hangs is asked once
		all, broken = s.broker.Connections(ctx)
	}
	for _, c := range all {
		if c.Source != nil && c.Source.Variable != "" {
			snap.hidden = append(snap.hidden, c.Source.Variable)
		}
		if s.allows(c.Provider) {
			broken = errors.Join(broken, s.add(snap, c))
		}
	}
	for id, g := range snap.groups {
		broken = errors.Join(broken, s.choose(ctx, g, all))
		s.claimed[id] = g.def
	}
	snap.broken = broken
	snap.table = provider.NewTable(s.entries())
	return snap
}

// allows reports whether the selection admits a provider.
func (s *Session) allows(name string) bool {
	return len(s.selection.Only) == 0 || slices.Contains(s.selection.Only, name)
}

func (s *Session) add(snap *snapshot, c Connection) error {
	id := c.Provider + " " + c.BaseURL
	g, ok := snap.groups[id]
	if !ok {
		def, err := s.broker.config.Catalog.Get(c.Provider)
		if err != nil {
			return err
		}
		if def, err = def.Resolve(c.BaseURL); err != nil {
			return err
		}
		g = &group{def: def, connections: map[string]*Connection{}}
		snap.groups[id] = g
	}
	g.connections[c.Name] = s.pin(c)
	return nil
}

// pin adds the policy that the connection had first.
func (s *Session) pin(c Connection) *Connection {
	key := c.String()
	if s.pinned[key] == nil {
		s.pinned[key] = c.Policy
	}
	c.pinned = s.pinned[key]
	return &c
}

// choose sets the group's connection. That none can be chosen is no fault of
// the vault: it is told to whoever wants to use it.
func (s *Session) choose(ctx context.Context, g *group, all []Connection) error {
	g.chosen = s.selection.Connections[g.def.Name]
	if g.chosen != "" {
		return nil
	}
	g.chosen, g.noDefault = s.broker.Default(ctx, g.def.Name, all)
	if _, ok := g.connections[g.chosen]; !ok && len(g.connections) == 1 {
		// The default is at another base URL; here there is no doubt.
		for name := range g.connections {
			g.chosen, g.noDefault = name, nil
		}
	}
	var none *NoDefault
	if errors.As(g.noDefault, &none) {
		return nil
	}
	return g.noDefault
}

// entries are the definitions of every provider that is or was connected. One
// that was logged out stays claimed: its requests are refused with a reason,
// not let through as if nothing had happened.
func (s *Session) entries() []provider.Entry {
	entries := make([]provider.Entry, 0, len(s.claimed))
	for _, id := range slices.Sorted(maps.Keys(s.claimed)) {
		entries = append(entries, provider.Entry{ID: id, Def: s.claimed[id]})
	}
	return entries
}

// Claims reports whether some provider of the session claims host:port.
func (s *Session) Claims(host string, port uint16) bool {
	return s.snapshot().table.Claims(host, port)
}

// Private reports whether some connection of the session was logged in for the
// host when it was not on the public internet.
func (s *Session) Private(host string) bool {
	for _, g := range s.snapshot().groups {
		for _, c := range g.connections {
			if slices.Contains(c.Private, host) {
				return true
			}
		}
	}
	return false
}

// Placeholders returns the environment variables a child gets the placeholder
// under, and in which shape: the export names of every connected provider,
// those that further has for it, and those that any connection is fetched from.
// Of two shapes for one name that of the provider whose name sorts last is it;
// all are understood alike.
func (s *Session) Placeholders(further map[string][]string) map[string]string {
	placeholders := map[string]string{}
	snap := s.snapshot()
	for _, name := range snap.hidden {
		placeholders[name] = inject.Placeholder
	}
	for _, id := range slices.Sorted(maps.Keys(snap.groups)) {
		def := snap.groups[id].def
		set := func(names []string, shape string) {
			for _, name := range names {
				if shape != inject.Placeholder || placeholders[name] == "" {
					placeholders[name] = shape
				}
			}
		}
		shape := cmp.Or(def.Placeholder, inject.Placeholder)
		set(further[def.Name], shape)
		for field, names := range def.Env {
			switch {
			case field == credential.APIKey || field == credential.AccessToken:
				set(names, shape)
			case field == credential.AccessKeyID:
				set(names, inject.KeyIDPlaceholder)
			case credential.IsField(field):
				set(names, inject.Placeholder)
			}
		}
	}
	return placeholders
}

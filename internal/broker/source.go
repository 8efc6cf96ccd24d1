package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"authsome/internal/audit"
	"authsome/internal/credential"
	"authsome/internal/login"
	"authsome/internal/provider"
	"authsome/internal/secret"
)

// setback is how long the failure of a fetch stands before there is another
// attempt: each may ask the human for something.
const setback = 10 * time.Second

// eventFetch is the audit log's word for a fetch and for its failure.
const eventFetch = "fetch"

var errNoFetch = errors.New("credentials can't be fetched from elsewhere here")

// Source is where the values of a connection are when it is used: with the
// user's password manager, say. They are kept in memory for MaxAge and are in
// no record. Either Command or Variable is set.
type Source struct {
	Command  []string      `json:"command,omitempty"`  // prints them: a program and its arguments
	Variable string        `json:"variable,omitempty"` // of authsome's own environment
	MaxAge   time.Duration `json:"max_age"`
	Fields   []string      `json:"fields"` // of the credential, in the order of the values
}

// same reports whether two sources are the same place.
func (s *Source) same(other *Source) bool {
	return other != nil && s.Variable == other.Variable && slices.Equal(s.Command, other.Command) && s.MaxAge == other.MaxAge
}

// sources is what this process has fetched.
type sources struct {
	mu      sync.Mutex
	fetched map[string]fetched // by Connection.pool of the record
}

// fetched is the outcome of the last fetch for a connection.
type fetched struct {
	credential credential.Credential
	since      time.Time // when the values were first seen
	err        error
	until      time.Time // when there has to be another
	refused    time.Time // when the API's refusal last led to a fetch
}

// of is c, which may have changed otherwise, with what was fetched for it.
func (f fetched) of(c Connection) Connection {
	c.Credential, c.RefreshedAt = f.credential, f.since
	return c
}

// given returns the values that a login does not have to ask for.
func (b *Broker) given(ctx context.Context, def *provider.Definition, req LoginRequest) (map[string]secret.Text, *Source, error) {
	if req.Source == nil {
		return req.Given, nil, nil
	}
	source := *req.Source
	source.Fields = login.KeyFields(def)
	limited, cancel := context.WithTimeoutCause(ctx, patience, errSlow)
	defer cancel()
	values, err := b.ask(limited, source)
	return values, &source, err
}

// ask fetches, and refuses what is not all of the fields.
func (b *Broker) ask(ctx context.Context, s Source) (map[string]secret.Text, error) {
	if b.config.Fetch == nil {
		return nil, errNoFetch
	}
	values, err := b.config.Fetch(ctx, s)
	if err != nil {
		return nil, err
	}
	for _, field := range s.Fields {
		if values[field].IsZero() {
			return nil, fmt.Errorf("%s is empty", field)
		}
	}
	return values, nil
}

// sourced returns c with the values of its source: those in memory while they
// are young, else fetched, once whoever waits for them.
func (b *Broker) sourced(ctx context.Context, c Connection) (Connection, error) {
	if f, ok := b.sources.recall(c); ok {
		return f.of(c), f.err
	}
	got, err := b.refreshes.start(c, false, func(ctx context.Context) (Connection, *intent, error) {
		got, err := b.fetch(ctx, c)
		return got, nil, err
	}).wait(ctx, c)
	var denied *Denied
	if errors.As(err, &denied) && denied.Code == CodeRefresh {
		err = sourceFailed(c, errSlow)
	}
	fresh := c // the flight may go on with c
	fresh.Credential, fresh.RefreshedAt = got.Credential, got.RefreshedAt
	return fresh, err
}

// fetch asks the source of a connection. The audit line comes first.
func (b *Broker) fetch(ctx context.Context, c Connection) (Connection, error) {
	if f, ok := b.sources.recall(c); ok { // of a flight that has just landed
		return f.of(c), f.err
	}
	if err := b.record(audit.Entry{Event: eventFetch, Provider: c.Provider, Connection: c.Name, Decision: audit.Allow}); err != nil {
		return c, b.denial(c, err)
	}
	limited, cancel := context.WithTimeoutCause(ctx, patience, errSlow)
	defer cancel()
	values, err := b.ask(limited, *c.Source)
	got := c.Credential
	if err == nil {
		got.Fields = values
		err = got.Validate()
	}
	if err != nil {
		got, err = c.Credential, b.unfetched(c, err)
	}
	return b.sources.keep(c, got, err).of(c), err
}

// unfetched writes a failure down, which changes nothing about it.
func (b *Broker) unfetched(c Connection, err error) error {
	d := sourceFailed(c, err)
	_ = b.record(audit.Entry{
		Event: eventFetch, Provider: c.Provider, Connection: c.Name, Decision: audit.Deny, Reason: string(d.Code), Detail: err.Error(),
	})
	return d
}

// refetched is for values that the API has refused: they may have been
// replaced at the source. It asks once a minute at most.
func (b *Broker) refetched(ctx context.Context, c Connection) (Connection, error) {
	stored, err := b.named(ctx, c.Provider, c.Name)
	if err != nil {
		return c, b.denial(c, err)
	}
	if stored.Source != nil {
		b.sources.refuse(stored, c)
	}
	return b.Fresh(ctx, stored)
}

// recall returns what is in memory for a connection and may still be used.
func (s *sources) recall(c Connection) (fetched, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, ok := s.fetched[c.pool()]
	return f, ok && now().Before(f.until)
}

// keep puts the outcome of a fetch in memory. Values that are the same as
// before keep their time, and so the connections upstream.
func (s *sources) keep(record Connection, got credential.Credential, err error) fetched {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fetched == nil {
		s.fetched = map[string]fetched{}
	}
	last, at := s.fetched[record.pool()], now()
	f := fetched{got, at, err, at.Add(record.Source.MaxAge), last.refused}
	if sameSecrets(got, last.credential) {
		f.since = last.since
	}
	if err != nil {
		f.until = at.Add(min(setback, record.Source.MaxAge))
	}
	s.fetched[record.pool()] = f
	return f
}

// refuse makes the next use fetch, if what is in memory are the values that
// were refused, and it was not done within a minute.
func (s *sources) refuse(record, used Connection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.fetched[record.pool()]
	at := now()
	if f.err != nil || !sameSecrets(f.credential, used.Credential) || at.Sub(f.refused) < pause {
		return
	}
	f.until, f.refused = time.Time{}, at
	s.fetched[record.pool()] = f
}

// sameSecrets reports whether two credentials have the same values.
func sameSecrets(a, b credential.Credential) bool {
	for _, field := range credential.FieldNames() {
		if !a.Field(field).Equal(b.Field(field)) {
			return false
		}
	}
	return true
}

func sourceFailed(c Connection, err error) *Denied {
	return &Denied{CodeSource, c.Provider, c.Name, "the credential can't be fetched: " + err.Error(), commandFor("get", c.Provider, c.Name)}
}

package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"authsome/internal/vault"
)

const (
	pause   = time.Minute     // at least, between attempts to renew one credential
	longest = 5 * time.Minute // back-off of attempts that nobody waits for
	maxLost = 3               // attempts that may die with their process
)

var (
	errTooSoon = errors.New("the last attempt failed less than a minute ago")
	errLost    = errors.New("authsome was killed again and again in the middle of it")
)

// intent is a record that is written before an attempt and stays when the
// process dies: then the server may have taken the refresh token and its
// answer may be lost.
type intent struct {
	Version    int       `json:"version"`
	Credential string    `json:"credential"`       // Connection.generation: of another one it means nothing
	At         time.Time `json:"at"`               // when the last attempt began
	Open       bool      `json:"open,omitempty"`   // and has not ended
	Lost       int       `json:"lost,omitempty"`   // attempts that never ended
	Failed     int       `json:"failed,omitempty"` // attempts that came to nothing, those too
	Next       time.Time `json:"next,omitzero"`    // when there may be another, unless it is urgent
}

func intentKey(c Connection) string { return "intent/" + c.Provider + "/" + c.Name }

// due reports whether the next attempt may be made at a time. An attempt in
// the future is one of a clock that was wrong.
func (i intent) due(urgent bool, at time.Time) bool {
	if urgent {
		return at.Before(i.At) || !at.Before(i.At.Add(pause))
	}
	return at.Before(i.At) || !at.Before(i.Next)
}

// fail counts a failed attempt and sets the time of the next.
func (i *intent) fail() {
	i.Failed++
	wait := min(longest, pause<<min(i.Failed-1, 10))
	i.Next = i.At.Add(wait + rand.N(wait/10))
}

// beginIntent makes an attempt durable before it is made. The record of c is
// locked, so an intent that is open belongs to a process that died: its attempt
// is repeated once at once, since servers forgive a lost answer for a moment,
// then not before its time, and in the end not at all. It fails with errLost
// or errTooSoon.
func (b *Broker) beginIntent(ctx context.Context, c Connection, urgent bool) (intent, error) {
	i, err := b.readIntent(ctx, c)
	if err != nil {
		return i, err
	}
	if i.Open {
		i.Lost++
		i.fail()
	}
	switch {
	case i.Lost > maxLost:
		return i, errLost
	case !(i.Open && i.Lost == 1) && !i.due(urgent, now()):
		return i, errTooSoon
	}
	i.Open, i.At = true, now().UTC()
	return i, b.putIntent(ctx, c, i)
}

// readIntent returns the intent of c's credential, or a new one.
func (b *Broker) readIntent(ctx context.Context, c Connection) (intent, error) {
	i := intent{Version: recordVersion, Credential: c.generation()}
	data, err := b.get(ctx, intentKey(c))
	if errors.Is(err, vault.ErrNotFound) || isDamage(err) {
		return i, nil
	}
	if err != nil {
		return i, err
	}
	var stored intent
	if err := unmarshal(data, &stored); err != nil || stored.Version != recordVersion {
		return i, fmt.Errorf("refresh of %s: %w", c, ErrRecord)
	}
	if stored.Credential != i.Credential {
		return i, nil
	}
	return stored, nil
}

// endIntent says that an attempt has ended and failed.
func (b *Broker) endIntent(ctx context.Context, c Connection, i *intent) error {
	i.Open = false
	i.fail()
	return b.putIntent(ctx, c, *i)
}

func (b *Broker) putIntent(ctx context.Context, c Connection, i intent) error {
	data, err := json.Marshal(i)
	if err != nil {
		return err
	}
	return b.put(ctx, intentKey(c), data)
}

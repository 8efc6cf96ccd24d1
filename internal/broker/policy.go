package broker

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"authsome/internal/audit"
	"authsome/internal/provider"
)

// eventPolicy is the audit log's word for a change of a connection's policy.
const eventPolicy = "policy"

// runPolicy returns why the run's policy refuses r.
func (s *Session) runPolicy(r *http.Request) *Denied {
	if s.selection.Policy == nil {
		return nil
	}
	return DeniedByPolicy(verdict(s.selection.Policy, r), "the policy of this run")
}

func verdict(p *provider.Policy, r *http.Request) provider.Verdict {
	return p.Decide(r.URL.Hostname(), portOf(r), methods(r), r.URL.EscapedPath())
}

// policies are those that the connection is under: the one it has, and the one
// that it had when the run first saw it.
func (c Connection) policies() []*provider.Policy {
	if c.Policy == nil && c.pinned == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Compact([]*provider.Policy{c.Policy, c.pinned}), func(p *provider.Policy) bool { return p == nil })
}

// policyDenies returns why one of the connection's policies refuses r.
func (c Connection) policyDenies(r *http.Request) *Denied {
	for _, p := range c.policies() {
		if denied := DeniedByPolicy(verdict(p, r), "the policy of this connection"); denied != nil {
			denied.Provider, denied.Connection = c.Provider, c.Name
			denied.Hint = commandFor("policy", c.Provider, c.Name)
			return denied
		}
	}
	return nil
}

// DeniedByPolicy returns the refusal that a verdict comes to, nil when it
// allows the request. whose says which policy it is, in words.
func DeniedByPolicy(v provider.Verdict, whose string) *Denied {
	if v.Allowed {
		return nil
	}
	by := "no rule allows it"
	if v.Rule > 0 {
		by = fmt.Sprintf("rule %d", v.Rule)
	}
	d := &Denied{Code: CodePolicy, Reason: whose + " does not allow this request: " + by}
	if v.Reason != "" {
		d.Reason += ", " + v.Reason
	}
	return d
}

// SetPolicy puts a policy on an existing connection; nil takes it off. Runs
// under way keep the one they began with and obey the new one besides.
func (b *Broker) SetPolicy(ctx context.Context, providerName, name string, p *provider.Policy) error {
	if _, err := b.named(ctx, providerName, name); err != nil {
		return err
	}
	v, err := b.opened(ctx)
	if err != nil {
		return err
	}
	key := connectionKey(providerName, name)
	return v.Update(ctx, b.config.Profile, key, func(old []byte) ([]byte, error) {
		if old == nil {
			return nil, &NotConnected{Provider: providerName, Name: name}
		}
		c, err := decodeConnection(key, old)
		if err != nil {
			return nil, err
		}
		e := audit.Entry{Event: eventPolicy, Provider: providerName, Connection: name, Detail: "set"}
		if c.Policy = p; p == nil {
			e.Detail = "cleared"
		}
		if err := b.record(e); err != nil {
			return nil, err
		}
		return encodeConnection(c)
	})
}

// keptPolicy is the policy of the connection that a login replaces. One whose
// record is damaged has none that could be read: a login is what mends it.
func (b *Broker) keptPolicy(ctx context.Context, providerName, name string) (*provider.Policy, error) {
	c, err := b.named(ctx, providerName, name)
	var missing *NotConnected
	if errors.As(err, &missing) || isDamage(err) {
		return nil, nil
	}
	return c.Policy, err
}

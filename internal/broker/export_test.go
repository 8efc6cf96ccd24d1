package broker

import "context"

// Seed keeps a connection as a login would.
func (b *Broker) Seed(ctx context.Context, c Connection) error { return b.save(ctx, c) }

// Abandon begins an attempt to renew c, as a process does that dies in it.
func (b *Broker) Abandon(ctx context.Context, c Connection) error {
	_, err := b.beginIntent(ctx, c, true)
	return err
}

package vault

import (
	"context"
	"fmt"
)

// MaxBlob is the most a Store keeps under one name, in bytes.
const MaxBlob = 1 << 20

// Store keeps named blobs. It is not trusted: it does no cryptography, and
// whoever controls it can withhold, repeat or destroy records but neither read
// nor forge one. Names are 1 to 128 of a-z, 0-9 and '-', not starting with '-';
// blobs hold at most MaxBlob bytes. All methods may be called concurrently, by
// any number of processes.
type Store interface {
	// Get returns a blob, or ErrNotFound.
	Get(ctx context.Context, name string) ([]byte, error)
	// Put replaces a blob at once and durably: when it returns nil, the blob
	// survives a crash; when it returns an error, the old blob is still there.
	// (The one exception: when the storage refuses to confirm a replacement
	// already made, the error is returned with the new blob in place.)
	Put(ctx context.Context, name string, blob []byte) error
	// Delete removes a blob durably, or returns ErrNotFound.
	Delete(ctx context.Context, name string) error
	// List returns all names, in no order.
	List(ctx context.Context) ([]string, error)
	// Lock takes the advisory lock of a name, which need not exist, against
	// every other holder in this process and others, and waits no longer than
	// ctx (ErrBusy). A holder that dies lets go. Locks are not reentrant; Get,
	// Put and Delete do not take them.
	Lock(ctx context.Context, name string) (unlock func(), err error)
	// Share is Lock, but lets in everybody else who shares the name. A Lock
	// that waits keeps nobody from sharing.
	Share(ctx context.Context, name string) (unlock func(), err error)
	// Version returns a token that differs after every Put and Delete of any
	// process. It is cheap enough to be asked for twice a second.
	Version(ctx context.Context) (string, error)
}

func checkName(name string) error {
	if name == "" || len(name) > 128 || name[0] == '-' {
		return fmt.Errorf("%w: %q", ErrInvalidName, name)
	}
	for _, c := range []byte(name) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return fmt.Errorf("%w: %q", ErrInvalidName, name)
		}
	}
	return nil
}

func checkBlob(name string, blob []byte) error {
	if err := checkName(name); err != nil {
		return err
	}
	if len(blob) > MaxBlob {
		return fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(blob), MaxBlob)
	}
	return nil
}

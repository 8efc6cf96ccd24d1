package ca

import (
	"bytes"
	"encoding/pem"
	"fmt"
)

// Kept is what outlives a run: the root, and the certificates of roots before
// it whose keys are gone but which some trust store may still have.
type Kept struct {
	Root    *Root    // nil for none
	Retired [][]byte // one PEM block each
}

// Encode writes k as PEM, with the root's private key: it is a secret, and
// whoever keeps it seals it.
func (k Kept) Encode() ([]byte, error) {
	var out []byte
	if k.Root != nil {
		key, err := k.Root.export()
		if err != nil {
			return nil, fmt.Errorf("root key: %w", err)
		}
		out = append(k.Root.PEM(), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})...)
	}
	return append(out, bytes.Join(k.Retired, nil)...), nil
}

// ParseKept reads what Encode wrote. The error wraps ErrRoot and shows nothing
// of data.
func ParseKept(data []byte) (Kept, error) {
	var k Kept
	var last []byte // the certificate before a key
	for len(data) > 0 {
		block, rest := pem.Decode(data)
		switch {
		case block != nil && block.Type == "CERTIFICATE":
			last = block.Bytes
			k.Retired = append(k.Retired, pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: block.Bytes}))
		case block != nil && block.Type == "PRIVATE KEY" && len(k.Retired) == 1 && k.Root == nil:
			root, err := parseRoot(last, block.Bytes)
			if err != nil {
				return Kept{}, err
			}
			k.Root, k.Retired = root, nil
		default:
			return Kept{}, ErrRoot
		}
		data = rest
	}
	return k, nil
}

// Retire moves the root to the retired ones. Its key is gone for good once k
// is written.
func (k Kept) Retire() Kept {
	if k.Root == nil {
		return k
	}
	return Kept{Retired: append([][]byte{k.Root.PEM()}, k.Retired...)}
}

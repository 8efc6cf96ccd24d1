package cli

import (
	"io"

	"authsome/internal/broker"
)

// signedBody is the body of a request that was signed anew. What is wrong with
// its own signatures is found while it is sent, and told in the proxy's terms.
type signedBody struct {
	io.ReadCloser
	use broker.Use
}

func (b *signedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		err = refusal(b.use.Explain(err))
	}
	return n, err
}

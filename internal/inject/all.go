package inject

import (
	"net/http"
	"slices"
	"time"

	"authsome/internal/credential"
)

// Applied is what a definition's injections come to on one request.
type Applied struct {
	// Secrets are the secrets that went on the request, or will go into
	// messages, and their renderings.
	Secrets []string

	// Message returns what a text message of the client is to be: text
	// itself, or a copy with the credential in it. Nil when there is nothing
	// to look for, as on every request that opens no websocket.
	Message func(text []byte) []byte

	undo func(*http.Request)
}

// Undo puts path and body of r back as the client had sent them: a path that
// is written down, or gets another credential, must have the placeholder.
func (a Applied) Undo(r *http.Request) {
	if a.undo != nil {
		a.undo(r)
	}
}

// undoing remembers path and body of r.
func undoing(r *http.Request) func(*http.Request) {
	path, raw := r.URL.Path, r.URL.RawPath
	body, read := bodyOf(r)
	return func(r *http.Request) {
		r.URL.Path, r.URL.RawPath = path, raw
		if read {
			setBody(r, body)
		}
	}
}

// ApplyAll puts c on r by all of a definition's injections, after it has
// removed placeholders from where they could be taken for a credential. A
// handshake whose Sec-WebSocket-Protocol has the placeholder gets the
// credential there and nowhere else. A signature comes last, of the request as
// it then is, with at for its time. The error is as with Apply.
func ApplyAll(injections []Injection, r *http.Request, c credential.Credential, at time.Time) (Applied, error) {
	undo := undoing(r)
	all, err := applyAll(injections, r, c, at)
	if err != nil {
		undo(r)
		return Applied{}, err
	}
	all.undo = undo
	return all, nil
}

func applyAll(injections []Injection, r *http.Request, c credential.Credential, at time.Time) (Applied, error) {
	if !slices.ContainsFunc(injections, Injection.Signs) {
		stripAuthorization(r)
	}
	var all Applied
	asProtocol := slices.ContainsFunc(injections, func(i Injection) bool { return i.socket && len(i.sent(r)) > 0 })
	for _, i := range injections {
		if asProtocol && !i.socket {
			i.strip(r)
			continue
		}
		secrets, err := i.Apply(r, c)
		if err != nil {
			return Applied{}, err
		}
		all.Secrets = append(all.Secrets, secrets...)
		if err := all.addMessage(i, r, c); err != nil {
			return Applied{}, err
		}
	}
	stripProtocols(r)
	return all, all.sign(injections, r, c, at)
}

func (a *Applied) sign(injections []Injection, r *http.Request, c credential.Credential, at time.Time) error {
	for _, i := range injections {
		if i.sign == nil {
			continue
		}
		secrets, err := i.sign(r, c, at)
		if err != nil {
			return err
		}
		a.Secrets = append(a.Secrets, secrets...)
	}
	return nil
}

func (a *Applied) addMessage(i Injection, r *http.Request, c credential.Credential) error {
	if i.message == nil || !IsHandshake(r) {
		return nil
	}
	replace, secrets, err := i.message(c)
	if err != nil {
		return err
	}
	a.Secrets = append(a.Secrets, secrets...)
	if before := a.Message; before != nil {
		a.Message = func(text []byte) []byte { return replace(before(text)) }
	} else {
		a.Message = replace
	}
	return nil
}

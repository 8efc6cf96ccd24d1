package inject

import (
	"net/http"
	"net/url"
	"strings"
)

// signatureSlot is where a signature goes.
type signatureSlot struct {
	name  string
	query bool
}

// sent returns the client's own signatures. A parameter may also be in a form.
func (s signatureSlot) sent(r *http.Request) []string {
	if !s.query {
		return headerValues(r.Header, s.name)
	}
	values := queryValues(r.URL.RawQuery, s.name)
	if form, ok := formOf(r); ok {
		values = append(values, queryValues(form, s.name)...)
	}
	return values
}

func (s signatureSlot) strip(r *http.Request) {
	if !s.query {
		removeHeader(r, s.name)
		return
	}
	removeParameter(r, s.name)
	form, ok := formOf(r)
	if !ok || len(queryValues(form, s.name)) == 0 {
		return
	}
	setBody(r, []byte(withoutParameter(form, s.name)))
}

// set puts the signature last: some servers want it there.
func (s signatureSlot) set(r *http.Request, signature string) {
	if !s.query {
		r.Header[http.CanonicalHeaderKey(s.name)] = []string{signature}
		return
	}
	r.URL.RawQuery = strings.Join(append(pairs(r.URL.RawQuery), s.name+"="+url.QueryEscape(signature)), "&")
}

// formOf returns the body that ReadBody has read, if it is a form.
func formOf(r *http.Request) (string, bool) {
	data, read := bodyOf(r)
	return string(data), read && strings.HasPrefix(strings.ToLower(r.Header.Get("Content-Type")), "application/x-www-form-urlencoded")
}

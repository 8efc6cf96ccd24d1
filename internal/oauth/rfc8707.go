package oauth

import (
	"fmt"
	"net/url"
)

// addResources adds resource parameters, one each. A resource is an absolute
// URI without a fragment (RFC 8707 section 2).
func addResources(form url.Values, resources []string) error {
	for _, r := range resources {
		u, err := url.Parse(r)
		if err != nil || !u.IsAbs() || u.Fragment != "" || len(r) > maxURL || !isPrintableASCII(r) {
			return fmt.Errorf("resource: %w", ErrURL)
		}
		form.Add("resource", r)
	}
	return nil
}

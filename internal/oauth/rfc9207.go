package oauth

import (
	"fmt"
	"net/url"
)

// checkIss compares the iss of an authorization response with the server that
// was asked, which is what stops a mix-up (RFC 9207 section 2.4). It must be
// there when the server says that it sends one. Where the issuer is not known
// there is nothing to compare with.
func (s Server) checkIss(response url.Values) error {
	switch iss := response.Get("iss"); {
	case iss == "" && s.AuthorizationResponseIssParameterSupported:
		return fmt.Errorf("%w: the response names none", ErrIssuer)
	case iss != "" && s.Issuer != "" && iss != s.Issuer:
		return fmt.Errorf("%w: the response comes from another", ErrIssuer)
	}
	return nil
}

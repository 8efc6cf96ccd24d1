package inject

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"authsome/internal/credential"
)

// Why a request can't be signed anew. Nothing of it may leave then.
var (
	// ErrSignature is a signature that is missing, not understood, or not the
	// one that the placeholder makes of this request.
	ErrSignature = errors.New("the signature does not match")
	// ErrSigning is a way to sign that there is no second signature for.
	ErrSigning = errors.New("can't be signed anew")
)

// KeyIDPlaceholder is the placeholder where an AWS access key ID is expected,
// in the shape of one. Placeholder is the secret that belongs to it.
const KeyIDPlaceholder = "AKIAAUTHSOMEPROXYMAN"

// compileSigV4 is kind "sigv4": AWS Signature Version 4. The client signs with
// placeholders; what it signed is compared with what came, and signed with the
// credential in its place: same scope, time, headers and payload hash. The
// secret key itself goes nowhere.
func compileSigV4(s Spec) (Injection, error) {
	if s.Name != "" || s.Value != "" || s.Username != "" || s.Password != "" {
		return Injection{}, errors.New("sigv4: has nothing beside its kind")
	}
	held := new(heldBodies)
	return Injection{
		fields:   []string{credential.AccessKeyID, credential.SecretAccessKey},
		optional: []string{credential.SessionToken},
		signs:    true,
		sent:     sentKeyIDs,
		strip:    stripSigV4,
		apply: func(r *http.Request, c credential.Credential) ([]string, error) {
			return applySigV4(r, c, held)
		},
	}, nil
}

// sentKeyIDs returns the access key ID of every signature on r, of whatever
// version: one that can't be replaced is refused, not overlooked.
func sentKeyIDs(r *http.Request) []string {
	var sent []string
	for _, value := range headerValues(r.Header, "Authorization") {
		if id, ok := keyIDOf(value); ok {
			sent = append(sent, id)
		}
	}
	if !strings.Contains(r.URL.RawQuery, "=") {
		return sent
	}
	for _, p := range queryParams(r.URL.RawQuery) {
		if p.is(queryCredential) || p.is(queryKeyID2) {
			sent = append(sent, keyIDIn(p.value))
		}
	}
	return sent
}

// keyIDOf returns the access key ID in an Authorization value.
func keyIDOf(value string) (string, bool) {
	if _, rest, ok := strings.Cut(value, "Credential="); ok && strings.HasPrefix(value, "AWS4-") {
		credential, _, _ := strings.Cut(rest, ",")
		return keyIDIn(credential), true
	}
	rest, ok := strings.CutPrefix(value, "AWS ")
	id, _, _ := strings.Cut(rest, ":")
	return id, ok
}

// keyIDIn returns what stands before the scope, which begins with its date, in
// a Credential of version 4 or 4A.
func keyIDIn(credential string) string {
	parts := strings.Split(credential, "/")
	for i := range parts {
		if i > 0 && len(parts[i]) == len("20060102") && strings.Trim(parts[i], "0123456789") == "" {
			return strings.Join(parts[:i], "/")
		}
	}
	return parts[0]
}

// applySigV4 puts the credential's signature in the place of the client's.
func applySigV4(r *http.Request, c credential.Credential, held *heldBodies) ([]string, error) {
	given, err := readSignature(r)
	if err != nil {
		return nil, err
	}
	if _, ok := FindPlaceholder(given.keyID); !ok {
		return nil, fmt.Errorf("%w: it is made with a key of the client's own, not with the placeholder", ErrSignature)
	}
	if given.payload, err = payloadHash(r, given, held); err != nil {
		return nil, err
	}
	if given.path, err = given.verify(r, Placeholder); err != nil {
		letGo(r)
		return nil, err
	}
	keys, err := readKeys(c)
	if err != nil {
		letGo(r)
		return nil, err
	}
	if _, held := r.Body.(*heldBody); held {
		removeHeader(r, "Expect") // the client has sent what it would have waited with
	}
	stripSigV4(r)
	signature := given.resign(r, keys)
	if strings.HasPrefix(given.payload, streamingSigned) {
		r.Body = newChunkSigner(r.Body, given, Placeholder, keys.secret, signature)
	}
	return keys.secrets(), nil
}

// keys are the fields of a credential that signs.
type keys struct{ id, secret, token string }

func readKeys(c credential.Credential) (keys, error) {
	k := keys{c.Field(credential.AccessKeyID).Reveal(), c.Field(credential.SecretAccessKey).Reveal(), c.Field(credential.SessionToken).Reveal()}
	if err := credential.Check(credential.AccessKeyID, k.id); err != nil {
		return keys{}, err
	}
	if err := credential.Check(credential.SecretAccessKey, k.secret); err != nil {
		return keys{}, err
	}
	if k.token == "" {
		return k, nil
	}
	return k, credential.Check(credential.SessionToken, k.token)
}

func (k keys) secrets() []string {
	all := []string{k.id, k.secret}
	if k.token != "" {
		all = append(all, k.token)
	}
	return all
}

// What a client may declare instead of a hash.
const (
	unsignedPayload   = "UNSIGNED-PAYLOAD"
	streamingSigned   = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" // and -TRAILER
	streamingUnsigned = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
)

// payloadHash returns the payload's line in the canonical request: what the
// client declares, or the hash of the body.
func payloadHash(r *http.Request, s signature, held *heldBodies) (string, error) {
	declared := headerValues(r.Header, headerPayload)
	for _, p := range queryParams(r.URL.RawQuery) {
		if s.presigned && p.is(headerPayload) {
			declared = append(declared, p.value)
		}
	}
	switch {
	case len(declared) > 1:
		return "", fmt.Errorf("%w: there is more than one %s", ErrSignature, headerPayload)
	case len(declared) == 1:
		return declared[0], checkPayload(declared[0])
	case s.presigned && isS3(s.service):
		return unsignedPayload, nil
	}
	return held.hash(r)
}

func checkPayload(declared string) error {
	switch {
	case isHash(declared), declared == unsignedPayload, declared == streamingUnsigned,
		declared == streamingSigned, declared == streamingSigned+"-TRAILER":
		return nil
	case strings.HasPrefix(declared, "STREAMING-"):
		return fmt.Errorf("%w: a streaming payload of a kind that is not known here", ErrSigning)
	}
	return fmt.Errorf("%w: %s is no hash", ErrSignature, headerPayload)
}

func sha256Hex(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// isHash reports whether s is a SHA-256 sum or a signature in lower-case hex.
func isHash(s string) bool {
	return len(s) == 2*sha256.Size && strings.Trim(s, "0123456789abcdef") == ""
}

package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// verified is a request whose signature is right.
type verified struct {
	keyID string
	body  []byte // decoded
	how   string // header or query, and the payload
}

// claim is what a signature says of itself.
type claim struct {
	presigned                    bool
	id, date, region, service    string
	time                         time.Time
	signed, signature, seed, how string
}

// verify signs the request once more with the SDK's signer.
func (s *server) verify(r *http.Request) (*verified, error) {
	c, err := readClaim(r)
	if err != nil {
		return nil, err
	}
	pair, ok := s.keys[c.id]
	if !ok {
		return nil, errors.New("the access key ID does not exist")
	}
	if token := r.Header.Get("X-Amz-Security-Token") + r.URL.Query().Get("X-Amz-Security-Token"); token != pair.token {
		return nil, errors.New("the session token is wrong")
	}
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	credentials := aws.Credentials{AccessKeyID: c.id, SecretAccessKey: pair.secret, SessionToken: pair.token}
	payload, body, err := c.payload(r, raw, credentials)
	if err != nil {
		return nil, err
	}
	made, err := c.sign(r, credentials, payload)
	if err != nil {
		return nil, err
	}
	if made != c.signature {
		return nil, errors.New("the signature is wrong")
	}
	how := "header"
	if c.presigned {
		how = "query"
	}
	if len(payload) == 64 {
		payload = "hash"
	}
	return &verified{c.id, body, how + " " + payload}, nil
}

func readClaim(r *http.Request) (claim, error) {
	c := claim{presigned: r.Header.Get("Authorization") == ""}
	credential, at := "", r.Header.Get("X-Amz-Date")
	if c.presigned {
		q := r.URL.Query()
		credential, c.signed, c.signature, at = q.Get("X-Amz-Credential"), q.Get("X-Amz-SignedHeaders"), q.Get("X-Amz-Signature"), q.Get("X-Amz-Date")
	} else if _, err := fmt.Sscanf(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=%s SignedHeaders=%s Signature=%s", &credential, &c.signed, &c.signature); err != nil {
		return c, errors.New("the request is not signed")
	}
	credential, c.signed = strings.TrimSuffix(credential, ","), strings.TrimSuffix(c.signed, ",")
	parts := strings.Split(credential, "/")
	if len(parts) != 5 {
		return c, errors.New("the credential has no scope")
	}
	c.id, c.date, c.region, c.service = parts[0], parts[1], parts[2], parts[3]
	var err error
	c.time, err = time.Parse("20060102T150405Z", at)
	return c, err
}

// sign makes the signature that the request should have.
func (c claim) sign(r *http.Request, credentials aws.Credentials, payload string) (string, error) {
	target, err := url.Parse("https://" + r.Host + r.RequestURI)
	if err != nil {
		return "", err
	}
	again := &http.Request{Method: r.Method, URL: target, Host: r.Host, Header: http.Header{}}
	for name := range strings.SplitSeq(c.signed, ";") {
		switch name {
		case "host":
		case "content-length":
			again.ContentLength = r.ContentLength
		default:
			again.Header[http.CanonicalHeaderKey(name)] = r.Header[http.CanonicalHeaderKey(name)]
		}
	}
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = c.service == "s3" })
	if !c.presigned {
		if err := signer.SignHTTP(r.Context(), credentials, again, payload, c.service, c.region, c.time); err != nil {
			return "", err
		}
		_, signature, _ := strings.Cut(again.Header.Get("Authorization"), "Signature=")
		return signature, nil
	}
	q := target.Query()
	for _, name := range []string{"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-SignedHeaders", "X-Amz-Signature", "X-Amz-Date", "X-Amz-Security-Token"} {
		q.Del(name)
	}
	target.RawQuery = q.Encode()
	signed, _, err := signer.PresignHTTP(r.Context(), credentials, again, payload, c.service, c.region, c.time)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(signed)
	if err != nil {
		return "", err
	}
	return u.Query().Get("X-Amz-Signature"), nil
}

// payload returns what is signed for the body, and the body decoded.
func (c claim) payload(r *http.Request, raw []byte, credentials aws.Credentials) (string, []byte, error) {
	sum := sha256.Sum256(raw)
	declared := r.Header.Get("X-Amz-Content-Sha256") + r.URL.Query().Get("X-Amz-Content-Sha256")
	switch {
	case declared == "" && c.presigned && c.service == "s3":
		return "UNSIGNED-PAYLOAD", raw, nil
	case declared == "":
		return hex.EncodeToString(sum[:]), raw, nil
	case declared == "STREAMING-UNSIGNED-PAYLOAD-TRAILER":
		body, err := dechunk(raw, nil)
		return declared, body, err
	case strings.HasPrefix(declared, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"):
		seed, err := hex.DecodeString(c.signature)
		if err != nil {
			return "", nil, err
		}
		chunks := v4.NewStreamSigner(credentials, c.service, c.region, seed)
		body, err := dechunk(raw, func(data []byte) (string, error) {
			signature, err := chunks.GetSignature(r.Context(), nil, data, c.time)
			return hex.EncodeToString(signature), err
		})
		return declared, body, err
	case declared != "UNSIGNED-PAYLOAD" && declared != hex.EncodeToString(sum[:]):
		return "", nil, errors.New("the payload is not what its hash says")
	}
	return declared, raw, nil
}

// dechunk decodes aws-chunked; sign says what the signature of a chunk is.
func dechunk(raw []byte, sign func([]byte) (string, error)) ([]byte, error) {
	in := bufio.NewReader(bytes.NewReader(raw))
	var body []byte
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return nil, fmt.Errorf("chunk: %w", err)
		}
		digits, given, _ := strings.Cut(strings.TrimRight(line, "\r\n"), ";chunk-signature=")
		size, err := strconv.ParseUint(digits, 16, 31)
		if err != nil {
			return nil, fmt.Errorf("chunk: %w", err)
		}
		data := make([]byte, size)
		if _, err := io.ReadFull(in, data); err != nil {
			return nil, fmt.Errorf("chunk: %w", err)
		}
		if sign != nil {
			if want, err := sign(data); err != nil || want != given {
				return nil, errors.New("the signature of a chunk is wrong")
			}
		}
		if size == 0 {
			return body, nil
		}
		body = append(body, data...)
		_, _ = in.Discard(2)
	}
}

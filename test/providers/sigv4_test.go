package providers_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"strings"
)

// signedAt is when the calls say that they were signed.
const signedAt = "20261124T120000Z"

// awsSignature is the Authorization value of a GET without a body and query,
// as the vendor's documentation makes it. A signature with placeholders signs
// no session token, one with keys does: it is the account's own.
func awsSignature(target, id, secret string) string {
	u, err := url.Parse(target)
	if err != nil {
		panic(err) // it is a call's own
	}
	const scope = "20261124/eu-west-1/acme/aws4_request"
	signed, fields := "host;x-amz-date", "host:"+u.Host+"\nx-amz-date:"+signedAt+"\n"
	if secret == "secret_access_key-of-aws" {
		signed += ";x-amz-security-token"
		fields += "x-amz-security-token:session_token-of-aws\n"
	}
	request := strings.Join([]string{"GET", u.Path, "", fields, signed, hexSum("")}, "\n")
	key := []byte("AWS4" + secret)
	for part := range strings.SplitSeq(scope, "/") {
		key = hmacSum(key, part)
	}
	signature := hmacSum(key, "AWS4-HMAC-SHA256\n"+signedAt+"\n"+scope+"\n"+hexSum(request))
	return "AWS4-HMAC-SHA256 Credential=" + id + "/" + scope + ", SignedHeaders=" + signed + ", Signature=" + hex.EncodeToString(signature)
}

func hmacSum(key []byte, text string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}

func hexSum(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

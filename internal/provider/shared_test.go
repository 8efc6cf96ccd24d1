package provider_test

import (
	"fmt"
	"strings"
	"testing"

	"authsome/internal/provider"
)

// TestSigningHosts: the one bundled definition that only signs matches the
// vendor's own servers, buckets too, and nothing that a customer runs.
func TestSigningHosts(t *testing.T) {
	def := builtins(t)["aws"]
	match := func(host string) bool {
		for _, rule := range def.Rules {
			if rule.Match(host, 443, "/") {
				return true
			}
		}
		return false
	}
	for _, host := range []string{
		"sts.amazonaws.com", "iam.amazonaws.com", "sts.eu-west-1.amazonaws.com", "sts.us-east-1.amazonaws.com", "dynamodb.us-east-1.amazonaws.com",
		"123456789012.ddb.us-east-1.amazonaws.com", "api.ecr.us-east-1.amazonaws.com", "runtime.sagemaker.us-east-1.amazonaws.com",
		"s3.amazonaws.com", "bucket.s3.amazonaws.com", "my.dotted.bucket.s3.amazonaws.com", "s3.eu-west-1.amazonaws.com", "bucket.s3.us-east-1.amazonaws.com",
		"bucket.s3.dualstack.eu-central-1.amazonaws.com", "s3-us-west-2.amazonaws.com", "bucket.s3-us-west-2.amazonaws.com", "bucket.s3-accelerate.amazonaws.com",
		"bucket.s3-accelerate.dualstack.amazonaws.com", "bucket.s3-fips.us-gov-west-1.amazonaws.com", "point-123456789012.s3-accesspoint.eu-west-1.amazonaws.com",
		"123456789012.s3-control.eu-west-1.amazonaws.com", "bucket--use1-az4--x-s3.s3express-use1-az4.us-east-1.amazonaws.com",
		"sts.cn-north-1.amazonaws.com.cn", "bucket.s3.cn-north-1.amazonaws.com.cn", "lambda.eu-west-1.api.aws",
	} {
		if !match(host) {
			t.Errorf("%s is not matched", host)
		}
	}
	for _, host := range []string{
		"amazonaws.com", "us-east-1.amazonaws.com", "ec2-203-0-113-25.compute-1.amazonaws.com", "ec2-203-0-113-25.eu-west-1.compute.amazonaws.com",
		"s3-1234567890.us-east-1.elb.amazonaws.com", "s3.eu-west-1.elb.amazonaws.com", "abcdefghij.execute-api.us-east-1.amazonaws.com",
		"abcdefghij.execute-api.eu-west-1.amazonaws.com", "abc.lambda-url.eu-west-1.on.aws", "s3.eu-west-1.amazonaws.com.evil.test", "evils3.amazonaws.com.evil.test",
		"s3.amazonaws.org", "amazonaws.com.cn", "s3.eu-west-1.amazonaws.com.co", "api.aws", "bucket.s3.elasticbeanstalk.com", "d1234.cloudfront.net",
	} {
		if match(host) {
			t.Errorf("%s is matched", host)
		}
	}
}

// TestSharedSuffix: a pattern below a suffix that a vendor shares with others
// is for definitions that put nothing but signatures on a request, and a
// registry's own suffix is for none.
func TestSharedSuffix(t *testing.T) {
	parse := func(pattern, injections string) error {
		_, _, err := provider.Parse(fmt.Appendf(nil, `{"name":"x","display_name":"X","auth_type":"api_key","flow":"api_key","host_url":["regex:%s"],"inject":[%s]}`,
			strings.ReplaceAll(pattern, `\`, `\\`), injections))
		return err
	}
	const bucket, registry = `^[a-z]+\.s3\.amazonaws\.com$`, `^[a-z]+\.co\.uk$`
	const sign, header = `{"kind":"sigv4"}`, `{"kind":"header","name":"X-Key","value":"{api_key}"}`
	if err := parse(bucket, sign); err != nil {
		t.Error(err)
	}
	for name, err := range map[string]error{
		"header": parse(bucket, header), "both": parse(bucket, sign+","+header), "registry": parse(registry, sign),
	} {
		if err == nil || !strings.Contains(err.Error(), "public suffix") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

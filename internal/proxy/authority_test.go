package proxy

import (
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

func TestParseAuthority(t *testing.T) {
	for in, want := range map[string]authority{
		"alpha.test:443":           {"alpha.test", 443},
		"ALPHA.Test.:443":          {"alpha.test", 443},
		"a-b.c1.test:8443":         {"a-b.c1.test", 8443},
		"xn--bcher-kva.test:1":     {"xn--bcher-kva.test", 1},
		"localhost:65535":          {"localhost", 65535},
		"127.0.0.1:80":             {"127.0.0.1", 80},
		"[::1]:443":                {"::1", 443},
		"[2001:DB8:0:0:0:0:0:1]:1": {"2001:db8::1", 1},
		"[::ffff:127.0.0.1]:443":   {"127.0.0.1", 443},
		"_dmarc.test:443":          {"_dmarc.test", 443},
	} {
		if got, err := parseAuthority(in, 0); err != nil || got != want {
			t.Errorf("%q: %v %v, want %v", in, got, err, want)
		}
	}
	// R023: other alphabets, in full width too, are no host.
	for _, in := range []string{"аlpha.test:443", "ａlpha.test:443", "alpha。test:443", "straße.test:443", "\uff21LPHA.TEST:443", "[::1:443", "[]:443", "[127.0.0.1]:443", ":443", "", "a:", strings.Repeat("a", 64) + ".test:443", strings.Repeat("a.", 130) + "test:443", "-a.test:443", "1.2.3:443", "1.2.3.4.5:443", "256.1.1.1:443", "a.0x1f:443"} {
		if got, err := parseAuthority(in, 0); err == nil {
			t.Errorf("%q accepted as %v", in, got)
		}
	}
}

func TestAddresses(t *testing.T) {
	for _, s := range []string{ // S003, S001
		"127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.1.1", "fe80::1", "fc00::1", "fd00::1", "::1", "::", "0.0.0.0",
		"64:ff9b::7f00:1", "64:ff9b::a00:1", "2002:7f00:1::", "2002:a00:1::", "::127.0.0.1", "::ffff:127.0.0.1", "224.0.0.1", "ff02::1", "240.0.0.1", "255.255.255.255",
		"64:ff9b:1::1", "2001::1", "100::1", "fec0::1", "198.18.0.1", "0.1.2.3",
	} {
		if IsPublic(netip.MustParseAddr(s)) {
			t.Errorf("%s counts as public", s)
		}
	}
	for _, s := range []string{"8.8.8.8", "203.0.113.10", "2606:4700::1111", "64:ff9b::808:808", "2002:808:808::"} {
		if !IsPublic(netip.MustParseAddr(s)) {
			t.Errorf("%s does not count as public", s)
		}
	}
}

func TestForbiddenDestinations(t *testing.T) {
	l := newLab(t, func(_ *lab, p *Proxy) { p.Parent = nil })
	for name, target := range map[string]string{
		"S002_aws":          "169.254.169.254:80",
		"S002_mapped":       "[::ffff:169.254.169.254]:80",
		"S002_nat64":        "[64:ff9b::a9fe:a9fe]:80",
		"S002_aws6":         "[fd00:ec2::254]:80",
		"S002_ecs":          "169.254.170.2:80",
		"S002_gcp":          "metadata.google.internal:80",
		"S002_gcp_dot":      "METADATA.google.internal.:80",
		"S002_alibaba":      "100.100.100.200:80",
		"S002_azure":        "168.63.129.16:80",
		"S003_multicast":    "224.0.0.1:80",
		"S003_broadcast":    "255.255.255.255:80",
		"S001_unspecified":  "0.0.0.0:80",
		"S001_unspecified6": "[::]:80",
		"S007_T030_own":     l.addr,
		"T030_own_alias":    strings.Replace(l.addr, "127.0.0.1", "127.0.0.2", 1),
		"T030_own_name":     strings.Replace(l.addr, "127.0.0.1", "localhost", 1),
	} {
		t.Run(name, func(t *testing.T) {
			c := l.dial()
			c.say("CONNECT " + target + " HTTP/1.1\nHost: " + target + "\n\n")
			if a := c.answer("CONNECT"); a.StatusCode != 403 {
				t.Errorf("%d %s", a.StatusCode, a.body)
			}
		})
	}
	t.Run("plain_http", func(t *testing.T) {
		for _, target := range []string{"http://169.254.169.254/latest", "http://metadata.google.internal/", "http://" + l.addr + "/"} {
			c := l.dial()
			u, _ := url.Parse(target)
			c.say("GET " + target + " HTTP/1.1\nHost: " + u.Host + "\n\n")
			if a := c.answer("GET"); a.StatusCode != 403 {
				t.Errorf("%s: %d %s", target, a.StatusCode, a.body)
			}
		}
	})
}

// FuzzConnectTarget: what is accepted is canonical, and net/url reads the
// same host and port from it.
func FuzzConnectTarget(f *testing.F) {
	for _, seed := range []string{"alpha.test:443", "[::1]:443", "a@b:1", "A.:1", "127.1:1", "x_y:1", "[::ffff:1.2.3.4]:80"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := parseAuthority(s, 0)
		if err != nil {
			return
		}
		again, err := parseAuthority(a.String(), 0)
		if err != nil || again != a {
			t.Fatalf("%q is %v, and that is %v, %v", s, a, again, err)
		}
		u, err := url.Parse("https://" + s + "/")
		if err != nil {
			t.Fatalf("%q: net/url says %v", s, err)
		}
		host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
		if ip, err := netip.ParseAddr(host); err == nil {
			host = ip.Unmap().String()
		}
		if host != a.host || u.User != nil {
			t.Fatalf("%q: %v, net/url reads %q", s, a, u.Host)
		}
		for _, c := range a.host {
			if c > 0x7e || c <= ' ' || 'A' <= c && c <= 'Z' {
				t.Fatalf("%q: host %q", s, a.host)
			}
		}
	})
}

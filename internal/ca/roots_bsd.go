//go:build unix && !darwin && !linux

package ca

// certFiles is the search list of crypto/x509 (root_bsd.go).
func certFiles() []string {
	return []string{
		"/usr/local/etc/ssl/cert.pem",            // FreeBSD
		"/etc/ssl/cert.pem",                      // OpenBSD
		"/usr/local/share/certs/ca-root-nss.crt", // DragonFly
		"/etc/openssl/certs/ca-certificates.crt", // NetBSD
	}
}

func certDirs() []string {
	return []string{
		"/etc/ssl/certs",         // FreeBSD 12.2 and later
		"/usr/local/share/certs", // FreeBSD
		"/etc/openssl/certs",     // NetBSD
	}
}

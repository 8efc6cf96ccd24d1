package ca

// certFiles is the search list of crypto/x509 (root_linux.go).
func certFiles() []string {
	return []string{
		"/etc/ssl/certs/ca-certificates.crt",                // Debian, Ubuntu, Gentoo
		"/etc/pki/tls/certs/ca-bundle.crt",                  // Fedora, RHEL 6
		"/etc/ssl/ca-bundle.pem",                            // openSUSE
		"/etc/pki/tls/cacert.pem",                           // OpenELEC
		"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // CentOS, RHEL 7
		"/etc/ssl/cert.pem",                                 // Alpine
	}
}

func certDirs() []string {
	return []string{
		"/etc/ssl/certs",     // SLES, and whatever an administrator adds
		"/etc/pki/tls/certs", // Fedora, RHEL
	}
}

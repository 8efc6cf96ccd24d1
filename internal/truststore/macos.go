package truststore

// macos is the user's login keychain, security(1). The system asks for the
// user's password or finger.
func macos(s System, c Cert) []Target {
	if s.OS != "darwin" {
		return nil
	}
	keychain := s.Home + "/Library/Keychains/login.keychain-db"
	return []Target{{
		Where:  keychain,
		Check:  Check{Run: []string{"security", "find-certificate", "-a", "-p", "-c", c.Name, keychain}},
		Add:    []Step{{Run: []string{"security", "add-trusted-cert", "-r", "trustRoot", "-k", keychain, c.File}}},
		Delete: []Step{{Run: []string{"security", "delete-certificate", "-Z", c.SHA1(), "-t", keychain}}},
	}}
}

package truststore

// windows is the user's store of roots. The system asks once for each change.
func windows(s System, c Cert) []Target {
	if s.OS != "windows" {
		return nil
	}
	return []Target{{
		Where:  `Cert:\CurrentUser\Root`,
		Check:  Check{Run: []string{"certutil", "-user", "-store", "Root", c.SHA1()}, Exit: true},
		Add:    []Step{{Run: []string{"certutil", "-user", "-addstore", "Root", c.File}}},
		Delete: []Step{{Run: []string{"certutil", "-user", "-delstore", "Root", c.SHA1()}}},
	}}
}

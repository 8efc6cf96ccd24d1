package truststore

// fedora is update-ca-trust(8) of Fedora, RHEL and their kin.
func fedora(s System, c Cert) []Target {
	const anchors = "/etc/pki/ca-trust/source/anchors"
	if s.OS != "linux" || s.Look("update-ca-trust") == "" || !s.has(anchors) {
		return nil
	}
	file := anchors + "/" + c.Name + ".pem"
	update := Step{Run: []string{"update-ca-trust", "extract"}}
	return []Target{{
		Where:  anchors,
		Root:   !s.Writable(anchors),
		Check:  Check{File: "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"},
		Own:    file,
		Add:    []Step{{Write: file}, update},
		Delete: []Step{{Remove: file}, update},
	}}
}

package truststore

// arch is trust(1) of p11-kit, as Arch Linux has it set up.
func arch(s System, c Cert) []Target {
	const sources = "/etc/ca-certificates/trust-source"
	if s.OS != "linux" || s.Look("trust") == "" || !s.has(sources) {
		return nil
	}
	return []Target{{
		Where:  sources,
		Root:   !s.Writable(sources),
		Check:  Check{File: "/etc/ca-certificates/extracted/tls-ca-bundle.pem"},
		Add:    []Step{{Run: []string{"trust", "anchor", "--store", c.File}}},
		Delete: []Step{{Run: []string{"trust", "anchor", "--remove", c.File}}},
	}}
}

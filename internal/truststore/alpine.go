package truststore

const alpineRelease = "/etc/alpine-release"

// alpine is update-ca-certificates of Alpine Linux, which removes links to a
// certificate that is gone.
func alpine(s System, c Cert) []Target {
	if s.OS != "linux" || !s.has(alpineRelease) || s.Look("update-ca-certificates") == "" {
		return nil
	}
	file := localFolder + "/" + c.Name + ".crt"
	update := Step{Run: []string{"update-ca-certificates"}}
	return []Target{{
		Where:  localFolder,
		Root:   !s.Writable(localFolder) || !s.Writable(certFolder),
		Check:  Check{File: certFolder + "/ca-certificates.crt"},
		Own:    file,
		Add:    []Step{{Write: file}, update},
		Delete: []Step{{Remove: file}, update},
	}}
}

package vault

// What the external tests need of the inside: keyed names, to find the file of
// a record, and how many files a limit allows.

func (v *Vault) FileName(profile, key string) string {
	return v.opened.keys.recordName(profile, key).String()
}

// SealRaw returns the blob of a record, for tests that forge or count.
func (v *Vault) SealRaw(profile string, r Record) []byte {
	return v.opened.keys.sealRecord(v.opened.keys.recordName(profile, r.Key), profile, r)
}

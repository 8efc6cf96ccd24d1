package provider

import (
	_ "embed" // for the schema
	"slices"
)

//go:embed schema.json
var schema []byte

// Schema returns the JSON Schema (draft 2020-12) of definitions. It is for
// editors: what it accepts may still be refused by Parse, which knows hosts,
// patterns and flows; what it refuses Parse refuses too.
func Schema() []byte { return slices.Clone(schema) }

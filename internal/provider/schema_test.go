package provider_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/tailscale/hujson"

	"authsome/internal/provider"
)

func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(provider.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("provider.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("provider.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// validate checks data, comments and all, against the schema.
func validate(t *testing.T, schema *jsonschema.Schema, data []byte) error {
	t.Helper()
	standard, err := hujson.Standardize(bytes.Clone(data))
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(standard))
	if err != nil {
		t.Fatal(err)
	}
	return schema.Validate(value)
}

func TestSchemaAccepts(t *testing.T) {
	schema := compileSchema(t)
	files, err := filepath.Glob("builtin/*.jsonc")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("testdata/good/*.json")
	if err != nil || len(files) == 0 || len(more) == 0 {
		t.Fatal("no files: ", err)
	}
	for _, file := range append(files, more...) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate(t, schema, data); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		parse(t, string(data))
	}
}

// TestSchemaRefuses has one file for each thing the schema can tell; Register
// refuses each of them too.
func TestSchemaRefuses(t *testing.T) {
	schema := compileSchema(t)
	files, err := filepath.Glob("testdata/bad/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no files: ", err)
	}
	r := load(t, t.TempDir())
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate(t, schema, data); err == nil {
			t.Errorf("%s: the schema accepts it", file)
		}
		if _, err := r.Register(data, true); err == nil {
			t.Errorf("%s: Register accepts it", file)
		}
	}
}

package provider

import (
	_ "embed" // for the schema
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tailscale/hujson"
)

//go:embed policy.schema.json
var policySchema []byte

// PolicySchema returns the JSON Schema (draft 2020-12) of policies, which is
// for editors as Schema is.
func PolicySchema() []byte { return slices.Clone(policySchema) }

// Bounds of a policy.
const (
	maxPolicyRules = 256
	maxPolicyList  = 64
)

var (
	errPolicyHost = errors.New("is not HOST or *.HOST, with or without :PORT; no scheme, no path, ASCII only")
	errPolicyPath = errors.New("is not a path in normal form: /segment/*/segment, where * is a whole segment, and at the end all that is below")
)

// ParsePolicy reads a policy: JSON with comments. The error is an *Invalid,
// which holds every mistake with its place. A field that means nothing is a
// mistake too: a rule that it should have narrowed would fit everything.
func ParsePolicy(data []byte) (*Policy, error) {
	d, err := newDecoder(data)
	if err != nil {
		return nil, policyInvalid(err)
	}
	p := &Policy{}
	version := schemaVersion
	d.object(&d.root, "", []field{
		{"$schema", false, d.ignored},
		{"schema_version", false, d.number(&version)},
		{"rules", true, d.policyRules(p)},
		{"otherwise", true, d.text(&p.Otherwise)},
	})
	if version != schemaVersion {
		d.report("/schema_version", fmt.Errorf("is %d; this program reads %d", version, schemaVersion))
	}
	if p.Otherwise != "" {
		d.checkDecision("/otherwise", p.Otherwise)
	}
	d.problems = append(d.problems, d.warnings...)
	if len(d.problems) > 0 {
		return nil, policyInvalid(d.invalid())
	}
	return p, nil
}

func policyInvalid(err error) error {
	var invalid *Invalid
	if errors.As(err, &invalid) {
		invalid.Document = "policy"
	}
	return err
}

func (d *decoder) policyRules(p *Policy) func(*hujson.Value, string) {
	return func(v *hujson.Value, at string) {
		d.elements(v, at, maxPolicyRules, func(v *hujson.Value, at string) {
			var rule PolicyRule
			d.object(v, at, []field{
				{"decision", true, d.text(&rule.Decision)},
				{"methods", false, d.some(&rule.Methods)},
				{"host", false, d.some(&rule.Host)},
				{"path", false, d.some(&rule.Path)},
				{"reason", false, d.text(&rule.Reason)},
			})
			d.compilePolicyRule(&rule, at)
			p.scoped = p.scoped || len(rule.Path) > 0
			p.Rules = append(p.Rules, rule)
		})
	}
}

// some reads a string or a list of them that is not empty.
func (d *decoder) some(into *[]string) func(*hujson.Value, string) {
	read := d.texts(into, maxPolicyList, true)
	return func(v *hujson.Value, at string) {
		read(v, at)
		if list, ok := v.Value.(*hujson.Array); ok && len(list.Elements) == 0 {
			d.report(at, errors.New("is an empty list, which fits nothing; leave it out to fit everything"))
		}
	}
}

// compilePolicyRule checks a rule and makes it usable.
func (d *decoder) compilePolicyRule(rule *PolicyRule, at string) {
	if rule.Decision != "" {
		d.checkDecision(at+"/decision", rule.Decision)
	}
	if len(rule.Methods)+len(rule.Host)+len(rule.Path) == 0 {
		d.report(at, errors.New("names no methods, host or path; what fits everything is otherwise"))
	}
	if rule.Reason != "" {
		if err := checkTitle(rule.Reason); err != nil {
			d.report(at+"/reason", err)
		}
	}
	for i, method := range rule.Methods {
		if !isMethod(method) {
			d.report(at+"/methods/"+strconv.Itoa(i), fmt.Errorf("%s is not a method in capital letters", quote(method)))
		}
	}
	for i, host := range rule.Host {
		h, err := parsePolicyHost(host)
		if err != nil {
			d.report(at+"/host/"+strconv.Itoa(i), err)
		}
		rule.hosts = append(rule.hosts, h)
	}
	for i, path := range rule.Path {
		if !isPolicyPath(path) {
			d.report(at+"/path/"+strconv.Itoa(i), errPolicyPath)
		}
		exact, _ := resolveSegments(path)
		rule.paths = append(rule.paths, policyPath{exact, foldSegments(path, false)})
	}
}

func (d *decoder) checkDecision(at, decision string) {
	if decision != PolicyAllow && decision != PolicyDeny {
		d.report(at, fmt.Errorf("%s is neither %q nor %q", quote(decision), PolicyAllow, PolicyDeny))
	}
}

func isPolicyPath(path string) bool {
	return path == "/" || checkDenyPath(path) == nil && !strings.Contains(path, "//")
}

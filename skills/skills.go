// Package skills is what coding agents can read about authsome, as files of
// the Agent Skills format (https://agentskills.io/specification): a folder for
// each skill, with a SKILL.md.
package skills

import _ "embed"

// Name is the name of the one skill, and of its folder.
const Name = "authsome"

//go:embed authsome/SKILL.md
var authsome []byte

// Authsome returns the SKILL.md of the skill called Name.
func Authsome() []byte { return authsome }

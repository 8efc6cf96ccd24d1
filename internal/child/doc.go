// Package child is the process authsome runs: its environment, its private
// folder, its start, signals and job control, its exit code, and the walls
// between it and us.
//
// It knows no provider, no credential and no proxy: it is handed an
// environment, a URL and file names. The child is the attacker to think of. It
// inherits none of our descriptors, finds no secret in its environment or its
// files, can't read our memory (Harden), and what it does to its files reaches
// nobody else's run. What it may do is what the user's own command may do.
package child

module authsome/bench

go 1.26.0

require (
	github.com/elazarl/goproxy v1.9.3
	github.com/google/martian/v3 v3.3.3
	golang.org/x/net v0.62.0
	golang.org/x/sys v0.49.0
)

require golang.org/x/text v0.43.0 // indirect

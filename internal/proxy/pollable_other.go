//go:build !unix

package proxy

import "errors"

const canRead = false

var errAgain = errors.New("would block")

func read(uintptr, []byte) (int, error)  { return 0, errAgain }
func write(uintptr, []byte) (int, error) { return 0, errAgain }

package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// The upstream's address is of a documentation range: it counts as public, so
// authsome sends credentials there, and nothing else answers at it.
const upstreamAddress = "203.0.113.10"

// Hosts of the benchmark. All of them are the upstream.
const (
	claimed  = "api.bench.example"   // a provider claims it
	nobodys  = "plain.bench.example" // no provider does
	newHosts = ".new.bench.example"  // claimed, by a wildcard
)

// insideVariable says that this process has namespaces of its own, and holds
// the folder for its files.
const insideVariable = "BENCH_FOLDER"

// reexec builds what is measured, and runs this program again with a network
// and a mount table of its own, in which the hosts of the benchmark exist.
func reexec(source string) (int, error) {
	if os.Getuid() != 0 {
		return 0, errors.New("needs root, for a network namespace in which the upstream has a public address (try: sudo go run .)")
	}
	folder, err := os.MkdirTemp("", "authsome-bench-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(folder)
	if err := os.Chmod(folder, 0o711); err != nil { // squid is another user
		return 0, err
	}
	if err := build(folder, source); err != nil {
		return 0, err
	}
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	cmd := exec.Command(self, os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), insideVariable+"="+folder)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Run(); err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			return exit.ExitCode(), nil
		}
		return 0, fmt.Errorf("namespaces: %w", err)
	}
	return 0, nil
}

// furnish makes the namespaces usable: loopback, the upstream's address, and
// names for it.
func furnish(folder string, fresh int) error {
	if err := loopback(); err != nil {
		return fmt.Errorf("loopback: %w", err)
	}
	var hosts strings.Builder
	hosts.WriteString("127.0.0.1 localhost\n")
	for _, name := range append([]string{claimed, nobodys}, freshHosts(fresh)...) {
		fmt.Fprintf(&hosts, "%s %s\n", upstreamAddress, name)
	}
	for target, text := range map[string]string{"/etc/hosts": hosts.String(), "/etc/resolv.conf": "nameserver 127.0.0.1\n"} {
		if err := cover(folder, target, text); err != nil {
			return err
		}
	}
	return nil
}

func freshHosts(n int) []string {
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf("h%04d%s", i, newHosts))
	}
	return names
}

// cover puts a file of ours over one of the system's, for us alone.
func cover(folder, target, text string) error {
	source := filepath.Join(folder, filepath.Base(target))
	if err := os.WriteFile(source, []byte(text), 0o644); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("private mounts: %w", err)
	}
	if err := unix.Mount(source, target, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount over %s: %w", target, err)
	}
	return nil
}

// loopback brings lo up and gives it the upstream's address.
func loopback() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	up, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	up.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, up); err != nil {
		return err
	}
	alias, err := unix.NewIfreq("lo:1")
	if err != nil {
		return err
	}
	if err := alias.SetInet4Addr(net.ParseIP(upstreamAddress).To4()); err != nil {
		return err
	}
	return unix.IoctlIfreq(fd, unix.SIOCSIFADDR, alias)
}

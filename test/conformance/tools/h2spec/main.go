// Command h2spec runs the cases of github.com/summerwind/h2spec against a host
// name of the tests' own. The suite's own command can't: what it dials is what
// it puts into :authority.
//
//	h2spec HOST PORT REPORT
//
// connects to 127.0.0.1:PORT over TLS for https://HOST:PORT/, prints what it
// finds, and writes it to REPORT in JUnit's XML.
package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/summerwind/h2spec"
	"github.com/summerwind/h2spec/config"
	"golang.org/x/net/dns/dnsmessage"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "h2spec:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("%d arguments, want HOST PORT REPORT", len(args))
	}
	port, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: loopback}
	_, err = h2spec.Run(&config.Config{
		Host: args[0], Port: port, Path: "/", Timeout: 3 * time.Second, MaxHeaderLen: 4000,
		JUnitReport: args[2], TLS: true, Insecure: true,
	})
	return err
}

// loopback is a name server that answers 127.0.0.1 for every name.
func loopback(context.Context, string, string) (net.Conn, error) {
	resolver, server := net.Pipe()
	go func() {
		defer server.Close()
		_ = answer(server)
	}()
	return resolver, nil
}

// answer answers one query. Messages have their length before them, as in TCP.
func answer(conn net.Conn) error {
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return err
	}
	query := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(conn, query); err != nil {
		return err
	}
	var m dnsmessage.Message
	if err := m.Unpack(query); err != nil {
		return err
	}
	m.Response, m.Additionals = true, nil
	for _, q := range m.Questions {
		if q.Type == dnsmessage.TypeA {
			m.Answers = append(m.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class},
				Body:   &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}},
			})
		}
	}
	reply, err := m.AppendPack(length[:])
	if err != nil {
		return err
	}
	binary.BigEndian.PutUint16(reply, uint16(len(reply)-2))
	_, err = conn.Write(reply)
	return err
}

// Command splice is the least a proxy can be: it answers CONNECT and moves
// bytes. It prints its address.
package main

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
)

func main() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(l.Addr())
	for {
		conn, err := l.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go serve(conn)
	}
}

func serve(child net.Conn) {
	defer child.Close()
	r, err := http.ReadRequest(bufio.NewReader(child))
	if err != nil || r.Method != http.MethodConnect {
		return
	}
	upstream, err := net.Dial("tcp", r.RequestURI)
	if err != nil {
		return
	}
	defer upstream.Close()
	if _, err := io.WriteString(child, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
		return
	}
	var group sync.WaitGroup
	group.Go(func() { copyHalf(upstream, child) })
	copyHalf(child, upstream)
	group.Wait()
}

func copyHalf(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	_ = to.(*net.TCPConn).CloseWrite()
}

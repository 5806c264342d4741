// Servers in Go, on one processor: "echo", a goroutine and a buffer for each connection; "http", net/http.
// Prints its port on a line.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
)

func echo(client net.Conn) {
	defer client.Close()
	buffer := make([]byte, 16384)
	for {
		n, err := client.Read(buffer)
		if err != nil {
			return
		}
		if _, err = client.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func serveEcho(listener net.Listener) {
	for {
		client, err := listener.Accept()
		if err == nil {
			go echo(client)
		}
	}
}

var hello = []byte("hello, world\n")
var product = []byte("{\"id\":7,\"name\":\"a teapot\",\"price\":1999,\"stock\":3,\"rating\":4.5}\n")

func serveHTTP(listener net.Listener) {
	http.HandleFunc("/hello", func(out http.ResponseWriter, in *http.Request) {
		out.Header().Set("Content-Type", "text/plain; charset=utf-8")
		out.Write(hello)
	})
	http.HandleFunc("/json", func(out http.ResponseWriter, in *http.Request) {
		out.Header().Set("Content-Type", "application/json")
		out.Write(product)
	})
	http.HandleFunc("/post", func(out http.ResponseWriter, in *http.Request) {
		if _, err := io.ReadAll(in.Body); err != nil {
			return
		}
		out.Header().Set("Content-Type", "text/plain; charset=utf-8")
		out.Write(hello)
	})
	http.Serve(listener, nil)
}

func main() {
	runtime.GOMAXPROCS(1)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil || len(os.Args) != 2 {
		os.Exit(1)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	if os.Args[1] == "http" {
		serveHTTP(listener)
	} else {
		serveEcho(listener)
	}
}

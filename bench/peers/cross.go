// The operations of bench_cross in Go, on two processors. Reads lines "operation count", answers each
// with a line: nanoseconds for one operation; "-" for an operation that Go does not have.
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"time"
)

// Round trips between two goroutines.
func pingpong(count int) {
	there, back := make(chan int, 16), make(chan int, 16)
	go func() {
		for item := range there {
			back <- item
		}
	}()
	for i := 0; i < count; i++ {
		there <- i
		<-back
	}
	close(there)
}

// One direction.
func pour(count int) {
	items, over := make(chan int, 1024), make(chan int)
	go func() {
		sum := 0
		for item := range items {
			sum += item
		}
		over <- sum
	}()
	for i := 0; i < count; i++ {
		items <- i
	}
	close(items)
	<-over
}

func main() {
	operations := map[string]func(int){"pingpong": pingpong, "pour": pour}
	runtime.GOMAXPROCS(2)
	input := bufio.NewScanner(os.Stdin)
	for input.Scan() {
		var name string
		var count int
		fmt.Sscan(input.Text(), &name, &count)
		operation := operations[name]
		if operation == nil {
			fmt.Println("-")
			continue
		}
		begin := time.Now()
		operation(count)
		fmt.Println(float64(time.Since(begin).Nanoseconds()) / float64(count))
	}
}

// The operations of bench_spawn in Go, on one processor. Reads lines "operation count", answers each
// with a line: nanoseconds for one operation; "-" for an operation that Go does not have.
package main

import (
	"bufio"
	"fmt"
	"iter"
	"os"
	"runtime"
	"sync"
	"time"
)

var sink int

//go:noinline
func nothing(group *sync.WaitGroup) { group.Done() }

// A goroutine that ends at once, and waiting for it.
func spawn(count int) {
	var group sync.WaitGroup
	for i := 0; i < count; i++ {
		group.Add(1)
		go nothing(&group)
		group.Wait()
	}
}

// A thousand side by side, each with a result.
func gather(count int) {
	results := make([]int, 1000)
	for i := 0; i < count; i += len(results) {
		var group sync.WaitGroup
		group.Add(len(results))
		for k := range results {
			go func() {
				results[k] = k
				group.Done()
			}()
		}
		group.Wait()
	}
	sink += results[999]
}

// A closed channel is the nearest to a future that is done.
func await(count int) {
	done := make(chan int)
	close(done)
	for i := 0; i < count; i++ {
		sink += <-done
	}
}

// A function that another goroutine is asked to run, a hundred at a time.
func callback(count int) {
	queue, over := make(chan func(), 100), make(chan bool)
	go func() {
		for function := range queue {
			function()
		}
		over <- true
	}()
	for i := 0; i < count; i++ {
		queue <- func() { sink++ }
	}
	close(queue)
	<-over
}

func generator(count int) {
	var numbers iter.Seq[int] = func(yield func(int) bool) {
		for i := 0; yield(i); i++ {
		}
	}
	next, stop := iter.Pull(numbers)
	defer stop()
	for i := 0; i < count; i++ {
		number, _ := next()
		sink += number
	}
}

func main() {
	operations := map[string]func(int){
		"spawn": spawn, "gather": gather, "await": await, "callback": callback, "generator": generator,
	}
	runtime.GOMAXPROCS(1)
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

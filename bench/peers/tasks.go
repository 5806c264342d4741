// The operations of bench_spawn, bench_sleep, bench_sync and bench_timer in Go, on one processor.
// Reads lines "operation count", answers each with a line: nanoseconds for one operation; "-" for an
// operation that Go does not have.
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

// Goroutines that sleep until one time: what they cost to start, in memory, and to wake. Each of the
// three answers for those that the first one has started.
var sleepers struct {
	group      sync.WaitGroup
	begin, due time.Time
	before     float64
}

func resident() float64 {
	var size, pages float64
	text, _ := os.ReadFile("/proc/self/statm")
	fmt.Sscan(string(text), &size, &pages)
	return pages * float64(os.Getpagesize())
}

//go:noinline
func sleepUntil(due time.Time, asleep *sync.WaitGroup) {
	asleep.Done()
	time.Sleep(time.Until(due))
	sleepers.group.Done()
}

func sleepStart(count int) float64 {
	var asleep sync.WaitGroup
	s := &sleepers
	s.before, s.begin = resident(), time.Now()
	s.due = s.begin.Add(3 * time.Second)
	s.group.Add(count)
	asleep.Add(count)
	for i := 0; i < count; i++ {
		go sleepUntil(s.due, &asleep)
	}
	asleep.Wait()
	return float64(time.Since(s.begin).Nanoseconds())
}

func sleepMemory(int) float64 { return resident() - sleepers.before }

func sleepWake(int) float64 {
	sleepers.group.Wait()
	return float64(time.Since(sleepers.due).Nanoseconds())
}

// Locks, channels, select.

func mutex(count int) {
	var lock sync.Mutex
	for i := 0; i < count; i++ {
		lock.Lock()
		lock.Unlock()
	}
}

func send(numbers chan<- int, count int) {
	for i := 0; i < count; i++ {
		numbers <- i
	}
}

func stream(count, capacity int) {
	numbers := make(chan int, capacity)
	go send(numbers, count)
	for i := 0; i < count; i++ {
		sink += <-numbers
	}
}

func buffered(count int) {
	numbers := make(chan int, 64)
	for i := 0; i < count; i++ {
		numbers <- i
		sink += <-numbers
	}
}

func semaphore(count int) {
	slots := make(chan struct{}, 3)
	for i := 0; i < count; i++ {
		slots <- struct{}{}
		<-slots
	}
}

func condition(count int) {
	var lock sync.Mutex
	changed, ping := sync.NewCond(&lock), true
	play := func(mine bool) {
		lock.Lock()
		for i := 0; i < count; i++ {
			for ping != mine {
				changed.Wait()
			}
			ping = !mine
			changed.Signal()
		}
		lock.Unlock()
	}
	go play(true)
	play(false)
}

func choose(count int) {
	var four [4]chan int
	for i := range four {
		four[i] = make(chan int)
	}
	go func() {
		for i := 0; i < count; i++ {
			four[i&3] <- i
		}
	}()
	for i := 0; i < count; i++ {
		select {
		case n := <-four[0]:
			sink += n
		case n := <-four[1]:
			sink += n
		case n := <-four[2]:
			sink += n
		case n := <-four[3]:
			sink += n
		}
	}
}

// A closed channel is the nearest to an event that is set.
func ready(count int) {
	var four [4]chan int
	for i := range four {
		four[i] = make(chan int)
	}
	close(four[3])
	for i := 0; i < count; i++ {
		select {
		case <-four[0]:
		case <-four[1]:
		case <-four[2]:
		case <-four[3]:
			sink++
		}
	}
}

var others []*time.Timer

func keepTimers(pending int) {
	for len(others) > pending {
		others[len(others)-1].Stop()
		others = others[:len(others)-1]
	}
	for i := len(others); i < pending; i++ {
		others = append(others, time.AfterFunc(later(i*7919), func() {}))
	}
}

func later(number int) time.Duration {
	return time.Hour + time.Duration(number%1000003)*time.Millisecond
}

// A timer set and stopped beside so many others, which stay from question to question. It is one for
// all deadlines, as a connection's is; a new one for each, by AfterFunc, costs twice as much or more.
func timer(pending int) func(int) float64 {
	return func(count int) float64 {
		keepTimers(pending)
		one := time.NewTimer(time.Hour)
		begin := time.Now()
		for i := 0; i < count; i++ {
			one.Reset(later(i * 104729))
			one.Stop()
		}
		return float64(time.Since(begin).Nanoseconds())
	}
}

func main() {
	measured := map[string]func(int) float64{
		"sleep_start": sleepStart, "sleep_memory": sleepMemory, "sleep_wake": sleepWake,
		"timer1000": timer(1000), "timer1000000": timer(1000000),
	}
	operations := map[string]func(int){
		"spawn": spawn, "gather": gather, "await": await, "callback": callback, "generator": generator,
		"mutex": mutex, "semaphore": semaphore, "condition": condition, "buffered": buffered,
		"queue": buffered, "select": choose, "ready": ready,
		"channel": func(count int) { stream(count, 0) }, "stream": func(count int) { stream(count, 64) },
	}
	runtime.GOMAXPROCS(1)
	input := bufio.NewScanner(os.Stdin)
	for input.Scan() {
		var name string
		var count int
		fmt.Sscan(input.Text(), &name, &count)
		if measure := measured[name]; measure != nil {
			fmt.Println(measure(count) / float64(count))
			continue
		}
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

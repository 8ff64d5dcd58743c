// Package aside keeps what is done once off the stacks of goroutines that then
// wait for long. A stack does not shrink until the garbage collector finds it
// mostly empty, and with thousands who wait that is most of their memory.
package aside

// Run runs f on a goroutine of its own and returns when it has ended. What f
// panics with, Run panics with.
func Run(f func()) {
	ended := make(chan any, 1)
	go func() {
		defer func() { ended <- recover() }()
		f()
	}()
	if p := <-ended; p != nil {
		panic(p)
	}
}

// If is Run if waits, else f.
func If(waits bool, f func()) {
	if waits {
		Run(f)
	} else {
		f()
	}
}

package agent

// level is how urgently the agent was asked to end.
type level int

const (
	running level = iota
	draining
	interrupting
	killing
	detaching
)

// Drain lets running trials end and takes no new ones.
func (a *Agent) Drain() { a.raise(draining) }

// Interrupt sends the stop signal to what runs; those trials go back to the
// queue. It includes Drain.
func (a *Agent) Interrupt() { a.raise(interrupting) }

// Kill ends what runs without grace. It includes Interrupt.
func (a *Agent) Kill() { a.raise(killing) }

// Detach returns from Run and lets running trials go on where the executor can
// find them again; elsewhere it is Interrupt.
func (a *Agent) Detach() { a.raise(detaching) }

// raise goes through all levels up to l, but from any level to detaching at
// once: what is detached is not killed as well.
func (a *Agent) raise(l level) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for a.level < l {
		switch a.level++; {
		case a.level == draining:
			close(a.drained)
		case l == detaching:
			a.level = detaching
			close(a.left)
			a.hurryDone()
		case a.level == interrupting:
			close(a.halted)
		case a.level == killing:
			close(a.killed)
			a.hurryDone()
		}
		for r := range a.runs {
			r.urge(a.level)
		}
	}
}

// ending reports whether c, one of the channels above, is closed, or the agent
// is detached.
func (a *Agent) ending(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	case <-a.left:
		return true
	default:
		return false
	}
}

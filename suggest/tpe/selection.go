package tpe

import (
	"cmp"
	"math"
	"slices"
)

// selection chooses the bad trials that have a kernel: all while there are at
// most above_cap, else the newest three quarters of the cap and, for the
// others, a weighted sample of the trials before them. It depends on which
// trials there are, not on the order in which they came.
//
// The newest are many because they lie where the search is, and it is them that
// keep it from proposing the same again and again; the sample keeps the old
// ground in memory.
//
// The sample is a priority sample (Duffield, Lund and Thorup, "Priority
// sampling for estimation of arbitrary subset sums", J. ACM 54(6), 2007): trial
// i with weight w = number+1, which is what the weights of old trials are
// proportional to, has the priority w/u with u a hash of its number, evenly
// spread in (0, 1); the greatest priorities are taken. One taken stands for
// max(w, t), where t is the greatest priority not taken, so that sums over the
// sample are right on average. A new trial seldom changes it.
type selection struct {
	newestCap, sampleCap int

	members int
	newest  []int32 // ascending by number
	// sample is of the others, descending by priority; its element sampleCap,
	// if there, is the first that was not taken.
	sample []sampled
}

type sampled struct {
	priority float64
	slot     int32
}

func newSelection(above int) selection {
	if above <= 0 {
		return selection{newestCap: math.MaxInt}
	}
	sample := above / 4
	return selection{newestCap: above - sample, sampleCap: sample}
}

func (c *selection) reset() { c.members, c.newest, c.sample = 0, c.newest[:0], c.sample[:0] }

// whole reports whether all members have a kernel.
func (c *selection) whole() bool {
	return c.members <= c.newestCap || c.members-c.newestCap <= c.sampleCap
}

// enter takes s in; out is the slot that lost its place by it, s itself if it
// got none, -1 if nothing was lost.
func (c *selection) enter(o *observations, s int32) (out int32) {
	c.members++
	c.newest = o.insertNumber(c.newest, s)
	if len(c.newest) <= c.newestCap {
		return -1
	}
	old := c.newest[0]
	c.newest = slices.Delete(c.newest, 0, 1)
	e := sampled{priority(o.numbers[old]), old}
	at, _ := slices.BinarySearchFunc(c.sample, e, comparePriorities)
	if at > c.sampleCap {
		return old
	}
	c.sample = slices.Insert(c.sample, at, e)
	if len(c.sample) <= c.sampleCap {
		return -1
	}
	c.sample = c.sample[:c.sampleCap+1]
	return c.sample[c.sampleCap].slot
}

// leave forgets s. Short means that another trial should now take its place, so
// that the selection has to be made anew.
func (c *selection) leave(o *observations, s int32) (chosen, short bool) {
	full := !c.whole()
	c.members--
	if c.newest, chosen = o.removeNumber(c.newest, s); chosen {
		return true, c.members > len(c.newest)
	}
	at := slices.IndexFunc(c.sample, func(e sampled) bool { return e.slot == s })
	if at < 0 {
		return false, false
	}
	c.sample = slices.Delete(c.sample, at, at+1)
	return at < c.sampleCap, full
}

// taken is the sample that has kernels.
func (c *selection) taken() []sampled { return c.sample[:min(len(c.sample), c.sampleCap)] }

// chosen appends the slots that have a kernel.
func (c *selection) chosen(to []int32) []int32 {
	to = append(to, c.newest...)
	for _, e := range c.taken() {
		to = append(to, e.slot)
	}
	return to
}

// stands is what a trial of the sample stands for: max(w, t) of the rule.
func (c *selection) stands(o *observations, s int32) float64 {
	return math.Max(float64(o.numbers[s])+1, c.sample[c.sampleCap].priority)
}

func comparePriorities(a, b sampled) int {
	return cmp.Or(cmp.Compare(b.priority, a.priority), cmp.Compare(a.slot, b.slot))
}

func priority(number int64) float64 {
	u := (float64(mix(uint64(number))>>11) + 0.5) * 0x1p-53
	return (float64(number) + 1) / u
}

// mix is the finaliser of SplitMix64 (Steele, Lea and Flood, "Fast Splittable
// Pseudorandom Number Generators", OOPSLA 2014; constants of Stafford's variant
// 13), which never changes.
func mix(z uint64) uint64 {
	z += 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

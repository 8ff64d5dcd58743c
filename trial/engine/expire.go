package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial"
)

// expire puts trials back whose lease is over.
func (s *study) expire(ctx context.Context) {
	s.bury()
	for _, a := range s.overdue() {
		if reclaim := s.e.cfg.Reclaim; reclaim != nil {
			if err := reclaim(ctx, a); err != nil {
				s.e.cfg.Logger.Warn("an attempt whose lease is over could not be ended; its trial waits",
					"trial", a.Trial, "attempt", a.Number, "error", err)
				continue
			}
		}
		_, err := change(ctx, s, txn{}, func(s *study, tx *txn) (struct{}, error) {
			if lt := s.running[a.Trial]; lt != nil && lt.attempt.Number == a.Number && lt.ending {
				s.vanish(tx, lt)
			}
			return struct{}{}, nil
		})
		if err != nil {
			return
		}
	}
}

// bury ends the leases of workers that certainly do not run any more, and whose
// trials ended with them.
func (s *study) bury() {
	dead := s.e.cfg.OwnerDead
	if dead == nil {
		return
	}
	gone := map[string]bool{}
	s.mu.Lock()
	for _, lt := range s.running {
		gone[lt.attempt.Worker] = false
	}
	s.mu.Unlock()
	for w := range gone { // it looks at files
		gone[w] = dead(w)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.e.cfg.Now()
	for _, lt := range s.running {
		if gone[lt.attempt.Worker] && lt.expires.After(now) {
			lt.expires = now
		}
	}
}

// overdue returns the attempts whose lease is over. From now on nobody holds
// them: a sign of life that comes while they are being ended is too late.
func (s *study) overdue() []trial.Attempt {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.e.cfg.Now()
	var out []trial.Attempt
	for _, lt := range s.running {
		if lt.expires.Sub(now) > lt.ttl { // the clock went back; it would end as much later
			s.renew(lt, now)
		}
		if lt.ending || !lt.expires.After(now) {
			lt.ending = true
			out = append(out, *lt.attempt)
		}
	}
	slices.SortFunc(out, func(a, b trial.Attempt) int { return cmp.Compare(a.Trial, b.Trial) })
	return out
}

// vanish ends an attempt whose lease is over.
func (s *study) vanish(tx *txn, lt *liveTrial) {
	a := lt.attempt
	told(s.e.cfg.Probe.Lost)
	intent, why := a.Stopping, a.Reason
	reason := fmt.Sprintf("no sign of life from worker %s for %v", a.Worker, lt.ttl.Round(time.Second))
	a.Reason = cmp.Or(why, reason)
	s.endAttempt(tx, lt, trial.Vanish)
	switch intent {
	case types.StopPruned:
		s.end(tx, lt, types.OutcomePruned, why, nil)
	case types.StopCancelled:
		s.end(tx, lt, types.OutcomeCancelled, why, nil)
	case types.StopInterrupt: // it was to go back to the queue anyway
		s.requeue(tx, lt, false, cmp.Or(why, reason))
	case types.StopTimeout, types.StopSuperseded, types.StopPaused, "":
		s.requeue(tx, lt, true, reason)
	}
}

// spare gives every lease a full term: this process stood still, so it cannot
// tell who gave signs of life meanwhile.
func (s *study) spare() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, lt := range s.running {
		s.renew(lt, s.e.cfg.Now())
	}
}

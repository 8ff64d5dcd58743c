package api

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
)

// How followers read. What a study of another process commits is not heard of
// here, so it is looked for.
const (
	followPause = 20 * time.Millisecond // between two reads: what comes meanwhile is read at once
	followPoll  = 500 * time.Millisecond
	framesKept  = 1024 // of a study; who is further behind reads the store
	framesRead  = 128  // at once
)

// frame is an event as it is sent to those who follow a study.
type frame struct {
	seq  int64
	kind types.EventKind
	text []byte
}

// follower reads the new events of a study once for all who follow it.
type follower struct {
	study  int64
	cancel context.CancelFunc
	users  int // guarded by followers.mu

	mu     sync.Mutex
	frames []frame // of the events before next, without gap; never changed in place
	next   int64
	news   chan struct{} // closed and replaced when there is more
	gone   error         // why there will be nothing more
}

// followers are the studies that somebody follows.
type followers struct {
	mu   sync.Mutex
	list map[int64]*follower
}

// follow returns the follower of a study whose next event is next. The caller
// calls leave when it is done with it.
func (s *Server) follow(study, next int64) (f *follower, leave func()) {
	s.followers.mu.Lock()
	defer s.followers.mu.Unlock()
	if f = s.followers.list[study]; f == nil {
		ctx, cancel := context.WithCancel(s.draining)
		f = &follower{study: study, cancel: cancel, next: next, news: make(chan struct{})}
		if s.followers.list == nil {
			s.followers.list = map[int64]*follower{}
		}
		s.followers.list[study] = f
		s.streams.Go(func() { s.runFollower(ctx, f) })
	}
	f.users++
	return f, func() {
		s.followers.mu.Lock()
		defer s.followers.mu.Unlock()
		if f.users--; f.users == 0 {
			f.cancel()
			if s.followers.list[study] == f {
				delete(s.followers.list, study)
			}
		}
	}
}

func (s *Server) runFollower(ctx context.Context, f *follower) {
	for ctx.Err() == nil {
		stored := s.cfg.Engine.Watch(f.study)
		news, err := s.readNews(ctx, f)
		if err == nil && !news { // it may have been removed
			_, err = s.cfg.Store.StudyByID(ctx, f.study)
		}
		switch {
		case types.CodeOf(err) == types.NotFound:
			f.end(err)
			return
		case err != nil && ctx.Err() == nil:
			s.cfg.Logger.WarnContext(ctx, "could not read the events of a study; trying again", slog.Int64("study", f.study), slog.Any("error", err))
			stored = nil
		}
		var poll <-chan time.Time
		if stored == nil {
			poll = time.After(followPoll)
		}
		select {
		case <-stored:
		case <-poll:
		case <-ctx.Done():
			return
		}
		select {
		case <-time.After(followPause):
		case <-ctx.Done():
		}
	}
}

// readNews gives the events that were stored since to those who follow.
func (s *Server) readNews(ctx context.Context, f *follower) (news bool, err error) {
	var some []frame
	err = s.cfg.Store.Events(ctx, f.study, f.next, func(e store.StoredEvent) error {
		x, err := frameOf(&e)
		if err != nil {
			return err
		}
		if some = append(some, x); len(some) == framesRead {
			f.publish(some)
			some, news = nil, true
		}
		return ctx.Err()
	})
	if len(some) > 0 {
		f.publish(some)
		news = true
	}
	return news, err
}

func (f *follower) publish(some []frame) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.frames = append(f.frames, some...)
	if n := len(f.frames) - framesKept; n > 0 {
		f.frames = f.frames[n:]
	}
	f.next = some[len(some)-1].seq + 1
	close(f.news)
	f.news = make(chan struct{})
}

func (f *follower) end(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gone = err
	close(f.news)
	f.news = make(chan struct{})
}

// since returns the frames from seq from on. If there are none, news is closed
// when there are some or gone is set; behind says that they are in the store
// only.
func (f *follower) since(from int64) (some []frame, news <-chan struct{}, behind bool, gone error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	first := f.next - int64(len(f.frames))
	switch {
	case from < first:
		return nil, nil, true, f.gone
	case from < f.next:
		return f.frames[from-first:], nil, false, nil
	}
	return nil, f.news, false, f.gone
}

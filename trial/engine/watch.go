package engine

// Watch returns a channel that is closed when something of the study has been
// stored since the call, or it left this process. It is nil if another process
// owns the study, whose commits are not heard of here.
func (e *Engine) Watch(study int64) <-chan struct{} {
	s := e.ownedStudy(study)
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return nil
	}
	if s.stored == nil {
		s.stored = make(chan struct{})
	}
	return s.stored
}

// tellStored wakes those who watch; the caller holds mu.
func (s *study) tellStored() {
	if s.stored != nil {
		close(s.stored)
		s.stored = nil
	}
}

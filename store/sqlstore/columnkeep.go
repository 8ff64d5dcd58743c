package sqlstore

import (
	"context"
	"slices"
	"time"

	"gorm.io/gorm"

	"github.com/gotuner/tuner/store"
)

// prepareColumns makes the columns of the blocks that were full one block ago,
// when a batch begins a new one: so whoever sorts by a parameter first does not
// wait for all of them.
func (s *Store) prepareColumns(b *store.Batch) {
	size := int64(s.blockSize())
	study, full := b.Study, b.FromNumber/size
	if b.ToNumber/size == full || full == 0 || s.closed.Load() || !s.preparing.CompareAndSwap(false, true) {
		return
	}
	s.background.Go(func() {
		defer s.preparing.Store(false)
		s.makeColumns(s.life, study, int(full*size), false) // else a later call makes them, or says what is wrong
	})
}

// makeAhead makes the columns of all studies that do not have them, as the files
// of earlier versions: listings of a million trials waited seconds for them. It
// uses about half of a processor, and ends with the store.
func (s *Store) makeAhead() {
	var studies []studyRow
	err := s.read(s.life, func(db *gorm.DB) error {
		return db.Select("id", "next_number").Where("next_number >= ?", s.blockSize()).Order("id").Find(&studies).Error
	})
	if err != nil {
		return // the readers will say so
	}
	for _, st := range studies {
		s.makeColumns(s.life, st.ID, int(st.NextNumber), true)
	}
}

// makeColumns makes what is missing of a study's first n trials, block by block,
// and rests after each for as long as it took if that is wanted. What is not made
// is made later, or by the readers, who say what is wrong.
func (s *Store) makeColumns(ctx context.Context, study int64, n int, rest bool) {
	missing, err := s.missingBlocks(ctx, study, n)
	if err != nil {
		return
	}
	for _, m := range missing {
		began := s.now()
		var made []columnRow
		err := s.read(ctx, func(db *gorm.DB) error {
			c := newColumns(s, db, study, n)
			err := c.makeBlock(m.family, m.block)
			made = c.made
			return err
		})
		if err != nil {
			return
		}
		if !s.keepColumns(ctx, study, made) {
			return
		}
		if !rest {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(s.now().Sub(began)):
		}
	}
}

type missingBlock struct {
	family family
	block  int
}

// missingBlocks lists whole blocks that are not stored, without those whose
// results are not final.
func (s *Store) missingBlocks(ctx context.Context, study int64, n int) (out []missingBlock, err error) {
	size := s.blockSize()
	err = s.read(ctx, func(db *gorm.DB) error {
		out = nil
		var unfinished []int
		err := db.Raw("SELECT DISTINCT number / ? FROM trials WHERE study_id = ? AND finished IS NULL", size, study).Scan(&unfinished).Error
		if err != nil {
			return err
		}
		open := map[int]bool{}
		for _, b := range unfinished {
			open[b] = true
		}
		c := newColumns(s, db, study, n)
		for f := range numFamilies {
			if err := c.marked(f); err != nil {
				return err
			}
			for b := 0; (b+1)*size <= n; b++ {
				if !c.stored[f][b] && (f == ofParams || !open[b]) {
					out = append(out, missingBlock{f, b})
				}
			}
		}
		return nil
	})
	return out, err
}

// keepColumns stores blocks that a reader has made. Those of a study that is
// gone are not stored; that a block is not stored harms nobody, but it is of no use
// to go on then.
func (s *Store) keepColumns(ctx context.Context, study int64, made []columnRow) (ok bool) {
	for some := range slices.Chunk(made[:min(len(made), keptColumns)], 64) {
		err := s.writer.do(ctx, func(tx *gorm.DB) error {
			var there int64
			if err := tx.Model(&studyRow{}).Where("id = ?", study).Count(&there).Error; err != nil || there == 0 {
				return err
			}
			return tx.Save(some).Error
		})
		if err != nil {
			if ctx.Err() == nil {
				s.log.Warn("could not store what was sorted out; it will be made again", "study", study, "error", err)
			}
			return false
		}
	}
	return true
}

package engine

import (
	"context"
	"slices"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/trial"
)

// view is the study as a client sees it.
func (s *study) view() types.Study {
	return types.Study{ID: s.id, Spec: s.st.Spec, State: s.st.State, Reason: s.st.Reason, Created: s.st.Created, CreatedBy: s.st.CreatedBy,
		Counts: s.counts, Best: slices.Clone(s.best.numbers), Advice: s.prospect.Unlikely(), SpaceVersion: s.st.SpaceVersion}
}

// storedView is the same for a study of another process, from the store.
func (e *Engine) storedView(ctx context.Context, id int64) (types.Study, error) {
	st, err := e.cfg.Store.StudyByID(ctx, id)
	if err != nil {
		return types.Study{}, err
	}
	v := types.Study{ID: id, Spec: st.Spec, State: st.State, Reason: st.Reason, Created: st.Created, CreatedBy: st.CreatedBy, SpaceVersion: st.SpaceVersion}
	if v.Counts, err = e.cfg.Store.Counts(ctx, id); err != nil {
		return v, err
	}
	v.Best, err = BestStored(ctx, e.cfg.Store, st)
	return v, err
}

// Versions are the versions of a study's space as they are stored, read as far as
// somebody asks. The zero value has none; it is for one goroutine.
type Versions struct {
	texts [][]byte
	read  map[int]*space.Space
}

// StoredVersions reads those of a study.
func StoredVersions(ctx context.Context, db store.Studies, study int64) (*Versions, error) {
	texts, err := db.Spaces(ctx, study)
	return &Versions{texts: texts, read: map[int]*space.Space{}}, err
}

// at is a version, from 1.
func (v *Versions) at(version int) (*space.Space, error) {
	if sp := v.read[version]; sp != nil {
		return sp, nil
	}
	if version < 1 || version > len(v.texts) {
		return nil, types.Errorf(types.Internal, "the space has no version %d of %d", version, len(v.texts))
	}
	sp, err := space.Parse(v.texts[version-1])
	if err != nil {
		return nil, types.Errorf(types.Internal, "version %d of the stored space: %w", version, err)
	}
	v.read[version] = sp
	return sp, nil
}

// Outside reports whether a trial lies outside of the present version. Trials of the
// present one cost nothing.
func (v *Versions) Outside(t *trial.Trial) (bool, error) {
	if t.SpaceVersion >= len(v.texts) { // or the study is gone
		return false, nil
	}
	version, err := v.at(t.SpaceVersion)
	if err != nil {
		return false, err
	}
	present, err := v.at(len(v.texts))
	if err != nil {
		return false, err
	}
	return trial.Outside(present, version, t.Params)
}

// BestStored finds the best trials of a study in the store: one for one
// objective (the earliest of equals), the Pareto front for several.
func BestStored(ctx context.Context, db store.Trials, st trial.Study) ([]int64, error) {
	objectives := st.Spec.Objectives
	f := store.TrialFilter{States: []types.State{types.Completed}, Sort: store.SortMetric, Metric: objectives[0].Metric,
		Desc: objectives[0].Goal == types.Maximize, Limit: 1}
	if len(objectives) > 1 || f.Desc { // the latest of equals comes first then
		f.Limit = 1000
	}
	var best bestSet
	for {
		page, next, err := db.ListTrials(ctx, st.ID, f)
		if err != nil {
			return nil, err
		}
		for _, t := range page {
			v := make([]float64, len(objectives))
			for i, o := range objectives {
				v[i] = t.Metrics[o.Metric]
			}
			if len(objectives) == 1 && len(best.values) > 0 {
				if v[0] != best.values[0][0] {
					return best.numbers, nil
				}
				best.numbers[0] = min(best.numbers[0], t.Number)
				continue
			}
			best.add(objectives, t.Number, v)
		}
		if next == "" || len(objectives) == 1 && !f.Desc {
			return best.numbers, nil
		}
		f.After = next
	}
}

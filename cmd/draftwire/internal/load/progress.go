package load

import "time"

// Stage is what a run is doing.
type Stage uint8

const (
	Connecting Stage = iota
	WarmingUp
	Measuring
)

// stage is a Stage that has begun.
type stage struct {
	is     Stage
	began  time.Time
	length time.Duration // 0: not known
}

func (r *Run) enter(s Stage, length time.Duration) {
	r.stage.Store(&stage{s, time.Now(), length})
}

// Progress is how far a run has come.
type Progress struct {
	Stage   Stage
	Elapsed time.Duration // of the stage
	Length  time.Duration // of the stage; 0: not known
	Opened  int           // connections
	Answers int64         // right ones; they are counted anew after the warm-up
	Errors  int64
}

// Progress may be called while Measure runs.
func (r *Run) Progress() Progress {
	s := r.stage.Load()
	p := Progress{Stage: s.is, Elapsed: time.Since(s.began), Length: s.length}
	for _, t := range r.tallies {
		t.addTo(&p)
	}
	return p
}

package search

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
)

// State is where a trial is.
type State string

// The states of a trial.
const (
	Training State = "training" // created or let go on; the next event is awaited
	Waiting  State = "waiting"  // at a rung, until the rule decides
	Pruned   State = "pruned"   // ended by the rule
	Done     State = "done"     // trained to its end
	Failed   State = "failed"
	Repeat   State = "repeat" // has the point of an earlier trial and is not trained
)

// Trial is a configuration and what is known of it.
type Trial struct {
	Number int   `json:"number"`
	Point  Point `json:"point"`
	State  State `json:"state"`
	Until  int   `json:"until"` // epoch of its next rung, or all of them
	// Reports are those at its rungs, in order.
	Reports []Event `json:"reports,omitempty"`
	Value   Number  `json:"value"` // once it is done; else NaN
	Of      int     `json:"of,omitempty"`
}

// last is what the trial has shown: its final value, or that of its last rung. A
// trial that has shown nothing has epoch 0.
func (t *Trial) last(epochs int) (epoch int, value float64) {
	if t.State == Done {
		return epochs, float64(t.Value)
	}
	if n := len(t.Reports); n > 0 {
		return t.Reports[n-1].Epoch, float64(t.Reports[n-1].Value)
	}
	return 0, math.NaN()
}

// ended reports whether nothing more is expected of the trial.
func (t *Trial) ended() bool { return t.State != Training && t.State != Waiting }

// sampler proposes points.
type sampler interface {
	// total is the number of trials.
	total() int
	// ready reports whether trial k can be proposed now.
	ready(m *Machine, k int) bool
	// propose answers the point of trial k; false if the constraints leave none.
	propose(m *Machine, k int) (Point, bool)
}

// rule decides at rungs. Its exported fields are its state.
type rule interface {
	// created takes note of a new trial, which enters the first rung.
	created(m *Machine, t *Trial)
	// seen takes note that a trial has reported, ended or failed.
	seen(m *Machine, t *Trial)
	// decide answers which waiting trials go on and which are pruned; it is asked
	// again after every change until it has nothing to say.
	decide(m *Machine) []verdict
}

// verdict is a decision about a waiting trial.
type verdict struct {
	trial int
	until int // 0: prune it
}

// Machine searches one cell. It is used by one goroutine.
type Machine struct {
	config   Config
	identity string
	space    *space
	sampler  sampler
	rule     rule
	rungs    []int
	trials   []*Trial
	points   map[string]int // number of the first trial with a point
	exact    bool           // whether every proposal so far could be made
	recalled map[int]Point  // what was proposed before, while Recall does it again
}

// New returns a machine that has seen nothing.
func New(config Config) (*Machine, error) {
	if err := config.validate(); err != nil {
		return nil, err
	}
	m := &Machine{config: config, points: map[string]int{}, exact: true}
	var err error
	if m.identity, err = config.identity(); err != nil {
		return nil, err
	}
	if m.space, err = config.Space.prepare(); err != nil {
		return nil, err
	}
	draws := random{space: m.space, source: config.Source, trials: config.Trials}
	switch config.Method {
	case "random":
		m.sampler = &draws
	case "grid":
		m.sampler = newGrid(m.space)
	case "sobol":
		if m.sampler, err = newSobol(m.space, config.Source, config.Trials); err != nil {
			return nil, err
		}
	case "tpe":
		m.sampler = newTPE(m.space, config, &draws)
	case Outside:
		m.sampler = &asked{trials: config.Trials, parallel: config.Parallel}
	}
	m.rungs = config.Stop.Rungs(config.Epochs)
	switch {
	case config.Stop == nil || len(m.rungs) == 0:
	case config.Stop.Type == ASHA:
		m.rule = newASHA(config.Stop.Eta, len(m.rungs))
	case config.Stop.Type == Median:
		m.rule = &median{startup: config.Stop.Startup}
	}
	return m, nil
}

// Trials are all trials so far, in the order of their numbers. They belong to
// the machine.
func (m *Machine) Trials() []*Trial { return m.trials }

// Rungs are the epochs at which the stopping rule decides.
func (m *Machine) Rungs() []int { return m.rungs }

// Budget is the number of trials that the search makes in all.
func (m *Machine) Budget() int { return m.sampler.total() }

// Feasible reports whether every trial asked for found a point that satisfies
// the constraints.
func (m *Machine) Feasible() bool { return m.exact }

// Finished reports whether every trial has been created and has ended.
func (m *Machine) Finished() bool {
	return len(m.trials) >= m.sampler.total() && !slices.ContainsFunc(m.trials, func(t *Trial) bool { return !t.ended() })
}

// Handle takes an event and answers what is to be done because of it, in order.
// An event that says nothing new is answered with nothing.
func (m *Machine) Handle(e Event) ([]Action, error) {
	switch e.Kind {
	case Start:
	case Offered:
		if !m.offer(e) {
			return nil, nil
		}
	default:
		if e.Trial < 0 || e.Trial >= len(m.trials) {
			return nil, fmt.Errorf("event %s of trial %d, which does not exist", e.Kind, e.Trial)
		}
		if !m.note(m.trials[e.Trial], e) {
			return nil, nil
		}
	}
	var actions []Action
	for {
		var more []Action
		if m.rule != nil {
			for _, v := range m.rule.decide(m) {
				more = append(more, m.apply(v))
			}
		}
		more = append(more, m.create()...)
		if len(more) == 0 {
			return actions, nil
		}
		actions = append(actions, more...)
	}
}

// note changes a trial by an event; false if it is nothing new.
func (m *Machine) note(t *Trial, e Event) bool {
	switch {
	case t.State == Repeat || t.State == Pruned || t.State == Done:
		return false
	case e.Kind == End && !e.Value.nan():
		t.State, t.Value = Done, e.Value
	case e.Kind == End || e.Kind == Fail:
		if t.State == Failed {
			return false
		}
		t.State = Failed
	case e.Kind == Report:
		if t.State == Waiting || e.Epoch != t.Until || t.Until >= m.config.Epochs {
			return false
		}
		t.State = Waiting
		t.Reports = append(t.Reports, e)
	default:
		return false
	}
	if m.rule != nil {
		m.rule.seen(m, t)
	}
	return true
}

func (m *Machine) apply(v verdict) Action {
	t := m.trials[v.trial]
	if v.until == 0 {
		t.State = Pruned
		return Action{Kind: Prune, Trial: t.Number}
	}
	t.State, t.Until = Training, v.until
	return Action{Kind: Continue, Trial: t.Number, Until: v.until}
}

// next is the epoch of the rung after one, or the end of the training.
func (m *Machine) next(epoch int) int {
	for _, r := range m.rungs {
		if r > epoch {
			return r
		}
	}
	return m.config.Epochs
}

// create makes every trial that can be made now.
func (m *Machine) create() []Action {
	var actions []Action
	for k := len(m.trials); k < m.sampler.total() && m.sampler.ready(m, k); k++ {
		t := &Trial{Number: k, State: Training, Until: m.next(0), Value: Number(math.NaN())}
		point, ok := m.recalled[k]
		if !ok {
			point, ok = m.sampler.propose(m, k)
		}
		m.trials = append(m.trials, t)
		if !ok {
			m.exact = false
			t.State = Failed
			continue
		}
		t.Point = point
		id := key(point)
		if first, known := m.points[id]; known {
			t.State, t.Of = Repeat, first
			continue
		}
		m.points[id] = k
		if m.rule != nil {
			m.rule.created(m, t)
		}
		actions = append(actions, Action{Kind: Create, Trial: k, Point: point, Until: t.Until})
	}
	return actions
}

// better reports whether value a beats b; NaN beats nothing and loses to all.
func (m *Machine) better(a, b float64) bool { return m.loss(a) < m.loss(b) }

// loss turns a value into what is to be minimised; NaN is the worst.
func (m *Machine) loss(v float64) float64 {
	switch {
	case math.IsNaN(v):
		return math.Inf(1)
	case m.config.Goal == "maximize":
		return -v
	}
	return v
}

// SnapshotVersion is the layout of a snapshot.
const SnapshotVersion = 1

// snapshot is the JSON of a machine.
type snapshot struct {
	Version  int             `json:"version"`
	Identity string          `json:"identity"`
	Exact    bool            `json:"exact"`
	Trials   []*Trial        `json:"trials"`
	Rule     json.RawMessage `json:"rule,omitempty"`
}

// Snapshot returns the state of the machine between two events.
func (m *Machine) Snapshot() ([]byte, error) {
	s := snapshot{Version: SnapshotVersion, Identity: m.identity, Exact: m.exact, Trials: m.trials}
	if m.rule != nil {
		text, err := json.Marshal(m.rule)
		if err != nil {
			return nil, fmt.Errorf("write search: %w", err)
		}
		s.Rule = text
	}
	text, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("write search: %w", err)
	}
	return text, nil
}

// ErrOther says that a snapshot is of another search.
var ErrOther = fmt.Errorf("the snapshot is of another search space, method or goal")

// Restore returns the machine of a snapshot. The configuration may differ from
// that of the snapshot in the number of trials, which it may raise, and in how
// many are trained at once; else the error is ErrOther.
func Restore(config Config, text []byte) (*Machine, error) {
	m, err := New(config)
	if err != nil {
		return nil, err
	}
	var s snapshot
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, fmt.Errorf("read search: %w", err)
	}
	if s.Version != SnapshotVersion {
		return nil, fmt.Errorf("read search: it has layout %d, this program reads %d", s.Version, SnapshotVersion)
	}
	if s.Identity != m.identity {
		return nil, ErrOther
	}
	if m.rule != nil {
		if err := json.Unmarshal(s.Rule, m.rule); err != nil {
			return nil, fmt.Errorf("read search: %w", err)
		}
	}
	m.trials, m.exact = s.Trials, s.Exact
	for _, t := range m.trials {
		m.space.read(t.Point)
		if id := key(t.Point); t.State != Repeat && t.Point != nil {
			m.points[id] = t.Number
		}
	}
	return m, nil
}

// Decision is an event with what the machine did because of it.
type Decision struct {
	Event   Event    `json:"event"`
	Actions []Action `json:"actions"`
}

// Replay makes the decisions of a log again, from its events alone, and answers
// the machine that has made them. An error says where they differ.
func Replay(config Config, log []Decision) (*Machine, error) {
	m, err := New(config)
	if err != nil {
		return nil, err
	}
	for i, d := range log {
		actions, err := m.Handle(d.Event)
		if err != nil {
			return nil, fmt.Errorf("replay decision %d: %w", i, err)
		}
		for _, a := range d.Actions {
			m.space.read(a.Point)
		}
		got, want := fmt.Sprint(actions), fmt.Sprint(d.Actions)
		if got != want {
			return nil, fmt.Errorf("replay decision %d: recorded %s, now %s", i, want, got)
		}
	}
	return m, nil
}

package search

import "fmt"

// Recall brings the machine past a decision that a machine in its state has made:
// Handle without the work of proposing what was proposed then. An error says that
// the decision is not one that this machine would have made.
func (m *Machine) Recall(d Decision) error {
	m.recalled = map[int]Point{}
	defer func() { m.recalled = nil }()
	for _, a := range d.Actions {
		if a.Kind == Create {
			m.space.read(a.Point)
			m.recalled[a.Trial] = a.Point
		}
	}
	actions, err := m.Handle(d.Event)
	if err != nil {
		return fmt.Errorf("recall decision: %w", err)
	}
	if got, want := fmt.Sprint(actions), fmt.Sprint(d.Actions); got != want {
		return fmt.Errorf("recall decision about trial %d: recorded %s, now %s", d.Event.Trial, want, got)
	}
	return nil
}

package train

// means accumulates weighted means of named training terms over an epoch, in
// the order in which the names first appeared.
type means struct {
	names  []string
	sum    map[string]float64
	weight map[string]float64
}

func newMeans() *means {
	return &means{sum: map[string]float64{}, weight: map[string]float64{}}
}

func (m *means) add(name string, value, weight float64) {
	if _, known := m.weight[name]; !known {
		m.names = append(m.names, name)
	}
	m.sum[name] += weight * value
	m.weight[name] += weight
}

func (m *means) values(split string) Values {
	values := make(Values, len(m.names))
	for _, name := range m.names {
		if m.weight[name] > 0 {
			values[Metric{Name: name, Split: split}] = m.sum[name] / m.weight[name]
		}
	}
	return values
}

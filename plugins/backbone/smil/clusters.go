package main

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/deconfound/deconfound/sdk/nn"
)

// momentum is the least share of a batch in a centre.
const momentum = 0.1

// clusters are the centres of the embeddings of one modality, by k-means over batches
// (Sculley, Web-Scale K-Means Clustering, WWW 2010). They start at the first embeddings
// and are drawn before; a centre moves to the mean of those of a batch that are nearest to
// it, whole at first and by the momentum later.
type clusters struct {
	count, width int
	centres      []float32 // [count, width]
	batches      uint32
	seeded       uint32 // centres that have started

	embeddings []float32 // of the last Forward in training
	sums       []float64
	sizes      []int
	inputs     [1]*nn.Var
	commit     func(*nn.Var)
}

func newClusters(count, width int, r *rand.Rand) *clusters {
	k := &clusters{count: count, width: width, centres: make([]float32, count*width), sums: make([]float64, count*width), sizes: make([]int, count)}
	for i := range k.centres {
		k.centres[i] = float32(0.1 * r.NormFloat64())
	}
	k.commit = func(*nn.Var) { k.update(k.embeddings) }
	return k
}

// observe takes embeddings in when the tape runs backwards: a step that comes to
// nothing leaves no trace.
func (k *clusters) observe(t *nn.Tape, e *nn.Var) {
	k.embeddings, k.inputs[0] = e.Value, e
	t.Op(1, 1, k.inputs[:], k.commit)
}

func (k *clusters) update(embeddings []float32) {
	for at := 0; at < len(embeddings) && int(k.seeded) < k.count; at += k.width {
		copy(k.centres[int(k.seeded)*k.width:], embeddings[at:at+k.width])
		k.seeded++
	}
	if k.batches < math.MaxUint32 {
		k.batches++
	}
	clear(k.sums)
	clear(k.sizes)
	for at := 0; at < len(embeddings); at += k.width {
		x := embeddings[at : at+k.width]
		nearest := k.nearest(x)
		k.sizes[nearest]++
		for j, v := range x {
			k.sums[nearest*k.width+j] += float64(v)
		}
	}
	share := max(momentum, 1/float64(k.batches))
	for c, n := range k.sizes {
		if n == 0 {
			continue
		}
		for j := c * k.width; j < (c+1)*k.width; j++ {
			k.centres[j] = float32((1-share)*float64(k.centres[j]) + share*k.sums[j]/float64(n))
		}
	}
}

// nearest is the centre, of those that have started, nearest to x.
func (k *clusters) nearest(x []float32) int {
	best, at := math.Inf(1), 0
	for c := range int(k.seeded) {
		var sum float64
		for j, v := range x {
			d := float64(v) - float64(k.centres[c*k.width+j])
			sum += d * d
		}
		if sum < best {
			best, at = sum, c
		}
	}
	return at
}

// State is the centres of all modalities.
func (m *model) State() []byte {
	var out []byte
	for _, k := range m.clusters {
		out = binary.LittleEndian.AppendUint32(out, k.batches)
		out = binary.LittleEndian.AppendUint32(out, k.seeded)
		for _, v := range k.centres {
			out = binary.LittleEndian.AppendUint32(out, math.Float32bits(v))
		}
	}
	return out
}

func (m *model) SetState(state []byte) error {
	want := 0
	for _, k := range m.clusters {
		want += 8 + 4*len(k.centres)
	}
	if len(state) != want {
		return fmt.Errorf("read cluster centres: %d bytes, want %d", len(state), want)
	}
	for _, k := range m.clusters {
		k.batches, k.seeded = binary.LittleEndian.Uint32(state), binary.LittleEndian.Uint32(state[4:])
		if int(k.seeded) > k.count {
			return fmt.Errorf("read cluster centres: %d have started of %d", k.seeded, k.count)
		}
		state = state[8:]
		for i := range k.centres {
			k.centres[i] = math.Float32frombits(binary.LittleEndian.Uint32(state))
			state = state[4:]
		}
	}
	return nil
}

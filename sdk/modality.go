package sdk

// ModalityKind is the form of a modality's features.
type ModalityKind string

const (
	Tabular   ModalityKind = "tabular"   // [rows, Width]
	Sequence  ModalityKind = "sequence"  // [rows, Length, Width] with a length per row
	Embedding ModalityKind = "embedding" // [rows, Width], made by a frozen encoder
)

// MaxModalities is the number of bits in an availability mask.
const MaxModalities = 64

// Modality describes one modality of the feature store. Bit m of an availability
// mask stands for the modality at index m of OpenRequest.Modalities.
type Modality struct {
	Name string
	Kind ModalityKind
	// Width is the number of columns, of one time step for a sequence.
	Width int
	// Length is the largest number of time steps of a sequence, else 0.
	Length  int
	Scaling Scaling
}

// Scaling standardises columns: z = (x - Mean) / Scale. It is computed from
// training rows only. A Scale of 0 marks a constant column, whose output is 0.
// Then Erasure is applied, if it has directions.
type Scaling struct {
	Mean, Scale []float32 // one per column
	Erasure     Erasure
}

// Erasure takes linear components out of the standardised columns z of a row, or
// of each time step within a sequence's length:
//
//	z - Write' (Read z - Offset)
//
// The host finds it on training rows. It comes with Open only to a backbone that
// declares Capabilities.Erasure; the zero value erases nothing.
type Erasure struct {
	// Directions is the number of components.
	Directions int
	// Read and Write are [Directions, Width], row-major.
	Read, Write []float32
	Offset      []float32 // [Directions]
}

// Package script trains end-to-end baselines by programs that know nothing of this
// one. A script gets the files of one split (training and validation rows with
// labels, test rows without), trains as it likes, and writes the probabilities of
// validation and test rows to a file; they are judged as those of every other model.
// What it reads and writes is said at [Train].
//
// A run is one training from beginning to end: it cannot pause, and one that was
// interrupted starts anew.
//
// It must never import host/cmd, the tracker or the sweeps. Start at Train.
package script

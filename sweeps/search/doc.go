// Package search holds the methods that choose configurations, as pure event
// machines: events go in, actions come out, and between two events a machine is
// nothing but a value that can be written as JSON and read back.
//
// A Machine searches one cell. It joins a sampler, which proposes the values of
// a trial (grid, random, Sobol, TPE, or whoever answers Machine.Ask), with a stopping rule, which decides at the
// rungs of a training whether a trial goes on (none, ASHA, median). It starts no
// process, reads no clock and draws every random number from a hash of the
// search seed, the cell, the trial and the parameter's name.
//
// # What depends on the order of events
//
// Nothing, for every sampler without a stopping rule and for every stopping
// rule with grid, random or Sobol: rungs consume reports in the order of the
// trials that entered them and hold back what came too early, and TPE proposes
// trial k from the trials 0 to k-parallel alone, with those between counted as
// bad (constant liar). Any number of workers, in any order, then makes the same
// decisions as one worker.
//
// TPE and plugins together with a stopping rule see how far each trial has come when
// they propose, and a trial that failed and was tried again is seen twice. There the
// decisions depend on the order of events; the caller keeps every event with its
// actions, and Replay makes the same decisions from them again.
//
// The package imports neither the tracker nor the rest of sweeps. Start at
// Config, New and Machine.Handle; Simulate runs a machine against a function.
package search

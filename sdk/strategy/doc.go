// Package strategy turns a debiasing rule into a strategy plugin.
//
// An author writes a rule: a type that implements any of the small
// interfaces Augmenter, Weigher, Penalizer, Resetter and Stateful, and, declared in
// its Info, of Stager, Mixer and Fitter. New makes
// an sdk.Strategy of it, with sessions, keyed randomness, snapshots and checks
// of every request, and serve.Strategy is the whole main function.
//
// The package never imports the host. Start at New and Rule.
package strategy

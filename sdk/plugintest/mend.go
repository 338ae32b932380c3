package plugintest

// mend says, for every check, where its author should look.
var mend = map[string]string{
	"info":            "Answer a constant Info: valid names, a version, and for each hyperparameter a default within its bounds.",
	"hyperparameters": "Build and train a step at every bound and choice that you declare, or declare less.",
	"shape":           "Return h as [rows, width] of the request, finite, whatever the batch, width and task; name what you do not take in Capabilities.",
	"determinism":     "Draw everything from the seed of Open and the step of the request; no clock, no map order, no global generator, no counter.",
	"availability":    "Expect any subset of the modalities, also ones that no training row has, and rows without any.",
	"mask":            "Select by the availability of the request before the values are used: NaN times 0 is NaN, so multiplying by the mask is not enough.",
	"erasure":         "Read features through package features or backbone, or apply Scaling.Erasure after standardising; else do not declare Erasure.",
	"gradients":       "Compare dh, the auxiliary terms and every layer's backward with finite differences; report every loss that you train, and train every loss that you report.",
	"parameters":      "Take parameters out that nothing uses, or use them.",
	"rows":            "In eval mode compute a row's h from that row, not from its place in the batch.",
	"batch":           "In eval mode use running statistics, or nothing, instead of those of the batch; else do not declare BatchIndependent.",
	"snapshot":        "Save parameters, optimiser moments, step counts and running statistics, and restore all of them.",
	"sessions":        "Keep all state in the session: no package variable, no shared generator, no shared buffer.",
	"slices":          "Copy what you need of a request before you return, and write to none of its slices.",
	"refusals":        "Check a request before you use it, and answer an error with the code that package sdk has for it; leave the session as it was.",
	"cancel":          "Keep a call whose context ends to its own session: return its error and leave everything else alone.",
	"close":           "Let Close be called twice and between Forward and Backward, and answer closed afterwards.",
	"restart":         "Draw from the seed alone, and put all of the state into Snapshot: nothing may depend on the process, its number, its memory or its start.",
	"resources":       "Close files, end goroutines and threads and drop references in Close, and do not append to anything in every step.",
	"host":            "Serve through the SDK, which ends with its host, and start no process that leaves the plugin's process group.",
	"augment":         "Show a part of what a row has, never nothing, drawn from the seed and the step.",
	"objective":       "Return finite weights of at least 0, one a row, and gradients in the shapes of h and logits.",
}

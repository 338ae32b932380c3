// Package plugintest is the conformance suite of the contract in package sdk:
// what every backbone and every strategy must pass, whatever it is written in.
//
// A plugin in Go runs it in its own tests,
//
//	func TestPlugin(t *testing.T) { plugintest.Backbone(t, backbone.New(info, build)) }
//
// and "deconfound plugin check" runs it through the real process. The suite sees
// a plugin through the contract alone: gradients are measured from snapshots
// before and after a step, what lies behind a missing modality is changed in the
// feature store, and the state of a session is whatever Snapshot and Restore say
// it is. It writes small feature stores into a temporary directory and draws
// everything from fixed seeds, so that two runs do the same.
//
// Start at [CheckBackbone] and [CheckStrategy], which answer one [Result] a
// check. The package imports packages of the SDK only.
package plugintest

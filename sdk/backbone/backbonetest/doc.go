// Package backbonetest checks a backbone in the test's own process: the gradients
// of all parameters by finite differences, that values of missing modalities
// cannot be seen, that rows do not depend on each other, that snapshots go on with
// the same bits, that bad requests are refused, and that the model learns.
//
// The test of a plugin is one call of [Run]. The suite for plugins in any language,
// through a process of their own, is package sdk/plugintest. This package imports
// testing and must not be imported by anything but tests.
package backbonetest

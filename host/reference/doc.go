// Package reference holds the test of the whole program against figures that
// were computed without it: on real cohorts, concatenation trained without any
// debiasing must predict as well as plain models on the same patients
// (testdata/baselines.py). It catches what unit tests cannot: a lost column, a
// wrong scale, labels that slipped by a row, training that stops too early.
//
// It must never import host/cmd or anything that trains: what is tested here is
// the binary. Start at TestConcat in reference_test.go; TestMeasure, behind the
// build tag measure, takes every cohort, test set and seed.
package reference

// Package e2e holds the tests of the whole program as its users meet it: they
// build deconfound and its plugins, give every test a DECONFOUND_HOME of its
// own, and look at exit codes, messages, the database and the process table.
//
// With the build tag chaos (make test-chaos) it kills plugins, hosts, workers,
// the supervisor of the private PostgreSQL and PostgreSQL itself, and expects
// the bits of an undisturbed sweep.
//
// It must never import host/cmd or anything that trains: what is tested here is
// the binary. Start at home in home_test.go.
package e2e

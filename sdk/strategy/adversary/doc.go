// Package adversary learns to tell the group of a row by its representation, and
// asks of the representation that it cannot. The strategies dann and cdann are
// made of it.
//
// It never imports the host. Start at New.
package adversary

// Command multimodn is the backbone plugin of MultiModN: a state that every
// observed modality updates in turn, while missing ones are skipped. It is written
// on a tape of sdk/nn. It must not import the host; start at build in model.go.
package main

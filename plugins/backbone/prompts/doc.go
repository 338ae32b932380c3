// Command prompts is the backbone plugin of a masked transformer with learned prompts
// for every availability pattern. It is written on a tape of sdk/nn. It must not
// import the host; start at build in model.go.
package main

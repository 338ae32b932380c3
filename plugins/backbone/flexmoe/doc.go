// Command flexmoe is the backbone plugin of Flex-MoE: a bank of learned tokens for
// missing modalities, and experts for combinations of observed ones. It is written on
// a tape of sdk/nn. It must not import the host; start at build in model.go.
package main

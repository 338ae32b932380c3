// Program generate compiles a .proto file and writes the Go code of
// protoc-gen-go and protoc-gen-go-grpc beside it, and a Python module with the same
// messages for sdk/python. It needs no protoc: the
// compiler is a Go library and the two generators are tools of go.mod, so the
// committed code depends on go.mod alone. It imports nothing of this module.
//
// Use it through go generate in sdk/pb/v1.
package main

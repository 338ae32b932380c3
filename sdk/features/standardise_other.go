//go:build !amd64 || purego

package features

// hasAVX2 is false where the assembly is not part of the program: nothing below is
// called.
const hasAVX2 = false

const noAssembly = "features: no assembly in this program"

func standardiseAVX2(int, *float32, *float32, *float32, *float32) { panic(noAssembly) }
func finiteAVX2(int, *float32, *float32)                          { panic(noAssembly) }

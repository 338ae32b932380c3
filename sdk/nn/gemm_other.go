//go:build (!amd64 && !arm64) || purego

package nn

// hasTiles is false where no micro-kernel is part of the program.
const hasTiles = false

func gemmTiles(*workspace, bool, bool, int, int, int, []float32, int, []float32, int, []float32, int, bool, epilogue) {
	panic(noAssembly)
}

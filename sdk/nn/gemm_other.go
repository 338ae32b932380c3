//go:build !amd64 || purego

package nn

const hasAVX2 = false

func gemmAVX2(*workspace, bool, bool, int, int, int, []float32, int, []float32, int, []float32, int, bool) {
	panic("nn: no assembly on this machine")
}

//go:build amd64 && !purego

package features

import "golang.org/x/sys/cpu"

// The generator is the one of package nn.
//
//go:generate go -C ../nn/asm run . -out ../../features/standardise_amd64.s -pkg features

// hasAVX2 says whether the assembly can run.
var hasAVX2 = cpu.X86.HasAVX2 && cpu.X86.HasFMA

// tileMask selects the first n of eight values as tileMask[16-n:].
var tileMask = func() (mask [32]int32) { //nolint:unused // standardise_amd64.s reads it
	for i := range 16 {
		mask[i] = -1
	}
	return mask
}()

// These are loops of standardise for n > 0 values.

//go:noescape
func standardiseAVX2(n int, out, src, mean, scale *float32)

//go:noescape
func finiteAVX2(n int, out, src *float32)

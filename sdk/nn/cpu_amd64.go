//go:build amd64 && !purego

package nn

import "golang.org/x/sys/cpu"

// hasAVX2 says whether the assembly of this package can run: AVX2 and FMA, and an
// operating system that keeps the wide registers.
var hasAVX2 = cpu.X86.HasAVX2 && cpu.X86.HasFMA

//go:build arm64 && !purego

package nn

// hasNEON says that the loops below are part of the program: every arm64 has what they
// take. They are those of vector.go and scalar.go, for n > 0 values, with the bits of
// the assembly for AVX2.
const hasNEON = true

//go:noescape
func addNEON(n int, sum, x *float32)

//go:noescape
func addScaledNEON(n int, sum, x *float32, c float32)

//go:noescape
func addProductNEON(n int, sum, x, y *float32)

//go:noescape
func addPositiveNEON(n int, sum, x, where *float32)

//go:noescape
func takePositiveNEON(n int, out, x, where *float32)

//go:noescape
func plusNEON(n int, out, x, y *float32)

//go:noescape
func minusNEON(n int, out, x, y *float32)

//go:noescape
func timesNEON(n int, out, x, y *float32)

//go:noescape
func scaleNEON(n int, out, x *float32, c float32)

//go:noescape
func reluNEON(n int, out, x *float32)

//go:noescape
func expNEON(n int, out, x *float32)

//go:noescape
func sigmoidNEON(n int, out, x *float32)

//go:noescape
func tanhNEON(n int, out, x *float32)

//go:noescape
func geluNEON(n int, out, x, slope *float32)

//go:noescape
func tanhSlopeNEON(n int, sum, d, y *float32)

//go:noescape
func sigmoidSlopeNEON(n int, sum, d, y *float32)

//go:noescape
func adamNEON(n int, value, grad, m, v *float32, step *adamStep)

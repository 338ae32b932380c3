//go:build arm64 && !purego

package nn

// hasNEON says that the loops below are part of the program: every arm64 has what they
// take. They are those of vector.go, scalar.go and norm_row.go, for n > 0 values. What
// becomes of an element has the bits of the assembly for AVX2; sums are in another order,
// and of a multiple of four values.
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

//go:noescape
func sum64NEON(n int, x *float32) (sum float64)

//go:noescape
func centreNEON(n int, y, x *float32, mean float64) (squares float64)

//go:noescape
func affineNEON(n int, y, gain, bias *float32, inverse float32)

//go:noescape
func normHatNEON(n int, hat, x *float32, mean float64, inverse float32)

//go:noescape
func normSumsNEON(n int, d, dy, hat, gain, dgain, dbias *float32) (sum, along float64)

//go:noescape
func normSpreadNEON(n int, dx, d, hat *float32, inverse, mean, along float32)

//go:noescape
func dotNEON(n int, x, y *float32) (sum float32)

//go:noescape
func dot64NEON(n int, x, y *float32) (sum float64)

//go:noescape
func sgdNEON(n int, value, grad, v *float32, step *sgdStep)

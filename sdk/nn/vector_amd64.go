//go:build amd64 && !purego

package nn

import "math"

// These are the functions of vector.go, and others by their name, for n > 0 values.
// The generator beside this package writes kernels_amd64.s.
//
//go:generate go -C asm run . -out ../kernels_amd64.s -pkg nn
//go:generate go -C asm run ./neon ../kernels_arm64.s

//go:noescape
func addAVX2(n int, sum, x *float32)

//go:noescape
func addScaledAVX2(n int, sum, x *float32, c float32)

//go:noescape
func addProductAVX2(n int, sum, x, y *float32)

//go:noescape
func plusAVX2(n int, out, x, y *float32)

//go:noescape
func timesAVX2(n int, out, x, y *float32)

//go:noescape
func reluAVX2(n int, out, x *float32)

//go:noescape
func addPositiveAVX2(n int, sum, x, where *float32)

//go:noescape
func takePositiveAVX2(n int, out, x, where *float32)

//go:noescape
func scaleAVX2(n int, out, x *float32, c float32)

//go:noescape
func minusAVX2(n int, out, x, y *float32)

//go:noescape
func addRowsAVX2(n, rows int, sum, x *float32)

//go:noescape
func takePositiveRowsAVX2(n, rows int, sum, x, where, out *float32)

//go:noescape
func notFiniteAVX2(n int, x *float32) uint32

//go:noescape
func dotAVX2(n int, x, y *float32) float32

//go:noescape
func dot64AVX2(n int, x, y *float32) float64

//go:noescape
func normRowAVX2(n int, x, y, gain, bias *float32, size, epsilon float64, mean *float64) float32

//go:noescape
func normHatAVX2(n int, hat, x *float32, mean float64, inverse float32)

//go:noescape
func normSumsAVX2(n int, d, dy, hat, gain, dgain, dbias *float32, sums *float64)

//go:noescape
func normSpreadAVX2(n int, dx, d, hat *float32, inverse, mean, along float32)

//go:noescape
func normSetAVX2(n int, dx, d, hat *float32, inverse, mean, along float32)

//go:noescape
func adamAVX2(n int, value, grad, m, v *float32, step *adamStep)

//go:noescape
func columnSumsAVX2(n int, sums *float64, x *float32)

//go:noescape
func columnSquaresAVX2(n int, sums, mean *float64, x *float32)

//go:noescape
func standardiseRowAVX2(n int, y, x *float32, mean, inverse *float64)

//go:noescape
func standardiseSumsAVX2(n int, mean, along *float64, d, hat *float32)

//go:noescape
func standardiseSpreadAVX2(n int, dx, d, hat *float32, inverse, mean, along *float64)

//go:noescape
func sgdAVX2(n int, value, grad, v *float32, step *sgdStep)

//go:noescape
func tanhSlopeAVX2(n int, sum, d, y *float32)

//go:noescape
func sigmoidSlopeAVX2(n int, sum, d, y *float32)

//go:noescape
func attendScoresAVX2(queries int, from *int, keys int, rows *int, heads, width int, scores, x, k *float32, scale float32)

//go:noescape
func attendSumAVX2(sums int, to *int, terms int, from *int, heads, width int, w *float32, wTo, wFrom, wHead int, sum, x *float32, fresh int)

//go:noescape
func softmaxTopAVX2(n, rows int, y, x *float32)

//go:noescape
func softmaxScaleAVX2(n, rows int, y *float32)

//go:noescape
func softmaxSlopesAVX2(n, rows int, slopes, weights *float32, scale float32)

//go:noescape
func unstepAVX2(n int, din, last, dh, gates, previous, product *float32)

// drawMaskAVX2 is drawMask for a multiple of 16 values.
//
//go:noescape
func drawMaskAVX2(n int, mask *float32, d *maskDraw)

//go:noescape
func expAVX2(n int, out, x *float32)

//go:noescape
func sigmoidAVX2(n int, out, x *float32)

//go:noescape
func tanhAVX2(n int, out, x *float32)

//go:noescape
func geluAVX2(n int, out, slope, x *float32)

// lanes are the constants of kernels_amd64.s, eight times each. The order counts.
var lanes = func() (table [33][8]float32) { //nolint:unused // kernels_amd64.s reads it
	constants := append([]float32{
		math.Float32frombits(1 << 31), // the sign
		1, 2,
		-104, 89, // e^x is zero below and infinite above
		1.44269504088896341, 0.693359375, -2.12194440e-4,
	}, expTerms[:]...)
	constants = append(constants, tanhEdge)
	constants = append(constants, tanhTerms[:]...)
	constants = append(constants, normalSlope)
	constants = append(constants, normalTerms[:]...)
	constants = append(constants, density, 0.5, math.Float32frombits(127))
	for i, c := range constants {
		for j := range table[i] {
			table[i][j] = c
		}
	}
	return table
}()

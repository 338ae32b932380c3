//go:build !arm64 || purego

package nn

// hasNEON is false where the assembly is not part of the program: nothing below is
// called.
const hasNEON = false

const noNEON = "nn: no assembly for arm64 in this program"

func addNEON(int, *float32, *float32) { panic(noNEON) }

func addScaledNEON(int, *float32, *float32, float32) { panic(noNEON) }

func addProductNEON(int, *float32, *float32, *float32) { panic(noNEON) }

func addPositiveNEON(int, *float32, *float32, *float32) { panic(noNEON) }

func takePositiveNEON(int, *float32, *float32, *float32) { panic(noNEON) }

func plusNEON(int, *float32, *float32, *float32) { panic(noNEON) }

func minusNEON(int, *float32, *float32, *float32) { panic(noNEON) }

func timesNEON(int, *float32, *float32, *float32) { panic(noNEON) }

func scaleNEON(int, *float32, *float32, float32) { panic(noNEON) }

func reluNEON(int, *float32, *float32) { panic(noNEON) }

func expNEON(int, *float32, *float32) { panic(noNEON) }

func sigmoidNEON(int, *float32, *float32) { panic(noNEON) }

func tanhNEON(int, *float32, *float32) { panic(noNEON) }

func geluNEON(int, *float32, *float32, *float32) { panic(noNEON) }

func tanhSlopeNEON(int, *float32, *float32, *float32) { panic(noNEON) }

func sigmoidSlopeNEON(int, *float32, *float32, *float32) { panic(noNEON) }

func adamNEON(int, *float32, *float32, *float32, *float32, *adamStep) { panic(noNEON) }

func sum64NEON(int, *float32) float64 { panic(noNEON) }

func centreNEON(int, *float32, *float32, float64) float64 { panic(noNEON) }

func affineNEON(int, *float32, *float32, *float32, float32) { panic(noNEON) }

func normHatNEON(int, *float32, *float32, float64, float32) { panic(noNEON) }

func normSumsNEON(int, *float32, *float32, *float32, *float32, *float32, *float32) (float64, float64) {
	panic(noNEON)
}

func normSpreadNEON(int, *float32, *float32, *float32, float32, float32, float32) { panic(noNEON) }

func dotNEON(int, *float32, *float32) float32 { panic(noNEON) }

func dot64NEON(int, *float32, *float32) float64 { panic(noNEON) }

func sgdNEON(int, *float32, *float32, *float32, *sgdStep) { panic(noNEON) }

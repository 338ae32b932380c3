//go:build !amd64 || purego

package nn

// hasAVX2 is false where the assembly is not part of the program: nothing below is
// called.
const hasAVX2 = false

const noAssembly = "nn: no assembly in this program"

func addAVX2(int, *float32, *float32)                                 { panic(noAssembly) }
func addScaledAVX2(int, *float32, *float32, float32)                  { panic(noAssembly) }
func addProductAVX2(int, *float32, *float32, *float32)                { panic(noAssembly) }
func addPositiveAVX2(int, *float32, *float32, *float32)               { panic(noAssembly) }
func takePositiveAVX2(int, *float32, *float32, *float32)              { panic(noAssembly) }
func plusAVX2(int, *float32, *float32, *float32)                      { panic(noAssembly) }
func timesAVX2(int, *float32, *float32, *float32)                     { panic(noAssembly) }
func reluAVX2(int, *float32, *float32)                                { panic(noAssembly) }
func scaleAVX2(int, *float32, *float32, float32)                      { panic(noAssembly) }
func minusAVX2(int, *float32, *float32, *float32)                     { panic(noAssembly) }
func addRowsAVX2(int, int, *float32, *float32)                        { panic(noAssembly) }
func notFiniteAVX2(int, *float32) uint32                              { panic(noAssembly) }
func dotAVX2(int, *float32, *float32) float32                         { panic(noAssembly) }
func dot64AVX2(int, *float32, *float32) float64                       { panic(noAssembly) }
func expAVX2(int, *float32, *float32)                                 { panic(noAssembly) }
func tanhAVX2(int, *float32, *float32)                                { panic(noAssembly) }
func sigmoidAVX2(int, *float32, *float32)                             { panic(noAssembly) }
func geluAVX2(int, *float32, *float32, *float32)                      { panic(noAssembly) }
func adamAVX2(int, *float32, *float32, *float32, *float32, *adamStep) { panic(noAssembly) }

func takePositiveRowsAVX2(int, int, *float32, *float32, *float32, *float32) { panic(noAssembly) }

func unstepAVX2(int, *float32, *float32, *float32, *float32, *float32, *float32) {
	panic(noAssembly)
}

func columnSumsAVX2(int, *float64, *float32) {
	panic(noAssembly)
}

func columnSquaresAVX2(int, *float64, *float64, *float32) {
	panic(noAssembly)
}

func standardiseRowAVX2(int, *float32, *float32, *float64, *float64) {
	panic(noAssembly)
}

func standardiseSumsAVX2(int, *float64, *float64, *float32, *float32) {
	panic(noAssembly)
}

func standardiseSpreadAVX2(int, *float32, *float32, *float32, *float64, *float64, *float64) {
	panic(noAssembly)
}

func sgdAVX2(int, *float32, *float32, *float32, *sgdStep) {
	panic(noAssembly)
}

func tanhSlopeAVX2(int, *float32, *float32, *float32) {
	panic(noAssembly)
}

func sigmoidSlopeAVX2(int, *float32, *float32, *float32) {
	panic(noAssembly)
}

func attendScoresAVX2(int, *int, int, *int, int, int, *float32, *float32, *float32, float32) {
	panic(noAssembly)
}

func attendSumAVX2(int, *int, int, *int, int, int, *float32, int, int, int, *float32, *float32, int) {
	panic(noAssembly)
}

func normRowAVX2(int, *float32, *float32, *float32, *float32, float64, float64, *float64) float32 {
	panic(noAssembly)
}

func normSumsAVX2(int, *float32, *float32, *float32, *float32, *float32, *float32, *float64) {
	panic(noAssembly)
}

func normHatAVX2(int, *float32, *float32, float64, float32) { panic(noAssembly) }

func normSpreadAVX2(int, *float32, *float32, *float32, float32, float32, float32) { panic(noAssembly) }

func normSetAVX2(int, *float32, *float32, *float32, float32, float32, float32) { panic(noAssembly) }

func drawMaskAVX2(int, *float32, *maskDraw) { panic(noAssembly) }

func softmaxTopAVX2(int, int, *float32, *float32) { panic(noAssembly) }

func softmaxScaleAVX2(int, int, *float32) { panic(noAssembly) }

func softmaxSlopesAVX2(int, int, *float32, *float32, float32) { panic(noAssembly) }

package nn

import (
	"bufio"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// BenchmarkGemm_AgainstOpenBLAS times products of this package and of the library
// that OPENBLAS names, in turn, each on one thread: the metrics are those of the best
// of 41 times of both, which other work on the machine disturbed least.
//
//	OPENBLAS=/usr/lib/x86_64-linux-gnu/openblas-pthread/libopenblas.so.0 go test ./sdk/nn -run '^$' -bench OpenBLAS -cpu 1 -benchtime 1x
func BenchmarkGemm_AgainstOpenBLAS(b *testing.B) {
	library := os.Getenv("OPENBLAS")
	if library == "" {
		b.Skip("OPENBLAS does not name a library")
	}
	peer := newPeer(b, library)
	var shapes [][3]int
	for _, k := range []int{64, 128, 256, 512} {
		shapes = append(shapes, [3]int{256, k, 128})
	}
	for _, m := range []int{64, 512} {
		shapes = append(shapes, [3]int{m, 256, 128}, [3]int{256, 128, m})
	}
	shapes = append(shapes, [3]int{1024, 1024, 1024})
	r := rand.New(rand.NewPCG(1, 2))
	var w workspace
	for _, shape := range shapes {
		m, k, n := shape[0], shape[1], shape[2]
		x, y, z := random(r, m*k), random(r, k*n), make([]float32, m*n)
		work := 2 * float64(m*n*k)
		count := max(1, int(1e8/work)) // products of about 1 ms
		for mode := range 4 {
			transA, transB := mode&1 != 0, mode&2 != 0
			lda, ldb := k, n
			if transA {
				lda = m
			}
			if transB {
				ldb = k
			}
			b.Run(fmt.Sprintf("%dx%dx%d/%c%c", m, k, n, "NT"[mode&1], "NT"[mode>>1]), func(b *testing.B) {
				ours, theirs := math.Inf(1), math.Inf(1)
				for range 41 * b.N {
					theirs = min(theirs, peer.seconds(b, transA, transB, m, n, k, count))
					began := time.Now()
					for range count {
						gemm(&w, transA, transB, m, n, k, x, lda, y, ldb, z, n, false)
					}
					ours = min(ours, time.Since(began).Seconds())
				}
				rate := work * float64(count) / 1e9
				b.ReportMetric(rate/ours, "GFLOP/s")
				b.ReportMetric(rate/theirs, "OpenBLAS-GFLOP/s")
				b.ReportMetric(theirs/ours, "ratio")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// peer is a process that times OpenBLAS.
type peer struct {
	in  *bufio.Writer
	out *bufio.Reader
}

func newPeer(b *testing.B, library string) *peer {
	b.Helper()
	cmd := exec.Command("python3", "testdata/openblas.py", library)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "OPENBLAS_NUM_THREADS=1"}
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatalf("start the peer: %v", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatalf("start the peer: %v", err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatalf("start the peer: %v", err)
	}
	b.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	p := &peer{bufio.NewWriter(in), bufio.NewReader(out)}
	b.Logf("OpenBLAS uses its kernels for %s", p.line(b))
	return p
}

func (p *peer) line(b *testing.B) string {
	b.Helper()
	line, err := p.out.ReadString('\n')
	if err != nil {
		b.Fatalf("read from the peer: %v", err)
	}
	return strings.TrimSpace(line)
}

// seconds is the time that count products take.
func (p *peer) seconds(b *testing.B, transA, transB bool, m, n, k, count int) float64 {
	b.Helper()
	number := map[bool]int{true: 1}
	fmt.Fprintln(p.in, number[transA], number[transB], m, n, k, count)
	if err := p.in.Flush(); err != nil {
		b.Fatalf("write to the peer: %v", err)
	}
	seconds, err := strconv.ParseFloat(p.line(b), 64)
	if err != nil {
		b.Fatalf("read from the peer: %v", err)
	}
	return seconds
}

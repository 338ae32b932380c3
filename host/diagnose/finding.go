package diagnose

import (
	"fmt"
	"math"

	"github.com/deconfound/deconfound/host/stats"
)

// Verdict is what a diagnostic says about relying on a result.
type Verdict string

// The verdicts. None is given where too little is known to judge.
const (
	OK   Verdict = "ok"
	Warn Verdict = "warn"
	Fail Verdict = "fail"
	None Verdict = ""
)

// Finding is the outcome of one diagnostic.
type Finding struct {
	Name string `json:"name"`
	// Interval is the value with its 95 % limits; NaN limits where none apply.
	stats.Interval
	P stats.Number `json:"p"`
	// N counts the rows that were used, EffectiveN what they are worth: the
	// patients they come from, or Kish's effective size under weights.
	N          int          `json:"n"`
	EffectiveN stats.Number `json:"effective_n"`
	Verdict    Verdict      `json:"verdict"`
	// Reason says in words why the verdict is what it is.
	Reason string `json:"reason"`
}

// unknown is a finding that could not be had.
func unknown(name string, n int, format string, args ...any) Finding {
	nan := stats.Number(math.NaN())
	return Finding{
		Name: name, Interval: stats.Interval{Estimate: nan, Low: nan, High: nan}, P: nan,
		N: n, EffectiveN: nan, Reason: fmt.Sprintf(format, args...),
	}
}

// found starts a finding without limits and p-value.
func found(name string, value float64, n int, effective float64) Finding {
	f := unknown(name, n, "")
	f.Estimate, f.EffectiveN = stats.Number(value), stats.Number(effective)
	return f
}

// judge sets verdict and reason.
func (f Finding) judge(v Verdict, format string, args ...any) Finding {
	f.Verdict, f.Reason = v, fmt.Sprintf(format, args...)
	return f
}

// Worst is the gravest verdict among findings; None if none has one.
func Worst(findings ...Finding) Verdict {
	worst, rank := None, map[Verdict]int{None: 0, OK: 1, Warn: 2, Fail: 3}
	for _, f := range findings {
		if rank[f.Verdict] > rank[worst] {
			worst = f.Verdict
		}
	}
	return worst
}

// distinct counts the clusters; nil means that every row is one of its own.
func distinct(clusters []int64, n int) int {
	if clusters == nil {
		return n
	}
	seen := make(map[int64]struct{}, n)
	for _, c := range clusters {
		seen[c] = struct{}{}
	}
	return len(seen)
}

func check(what string, got, want int) {
	if got != want {
		panic(fmt.Sprintf("diagnose: %d %s where %d are needed", got, what, want))
	}
}

func number(v float64) stats.Number { return stats.Number(v) }

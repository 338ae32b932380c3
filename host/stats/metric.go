package stats

import (
	"fmt"
	"slices"
	"strings"
)

// Metric is the name of a measurement, the same in files, tables and SQL.
type Metric string

// The metrics of Evaluate.
const (
	MetricAUROC                Metric = "auroc"
	MetricAUPRC                Metric = "auprc"
	MetricBrier                Metric = "brier"
	MetricLogLoss              Metric = "log_loss"
	MetricECE                  Metric = "ece"
	MetricECEMass              Metric = "ece_mass"
	MetricAccuracy             Metric = "accuracy"
	MetricBalancedAccuracy     Metric = "balanced_accuracy"
	MetricCalibrationSlope     Metric = "calibration_slope"
	MetricCalibrationIntercept Metric = "calibration_intercept"
	// The parts of the Brier score of Murphy, over ECEBins bins.
	MetricBrierReliability Metric = "brier_reliability"
	MetricBrierResolution  Metric = "brier_resolution"
	MetricIRMSE            Metric = "irmse"
	MetricExcessLogLoss    Metric = "excess_log_loss"
)

// Metrics returns the metrics of Evaluate in the order they are reported, without
// the TruthMetrics.
func Metrics() []Metric {
	return []Metric{
		MetricAUROC, MetricAUPRC, MetricBrier, MetricLogLoss, MetricECE, MetricECEMass,
		MetricAccuracy, MetricBalancedAccuracy, MetricCalibrationSlope, MetricCalibrationIntercept,
		MetricBrierReliability, MetricBrierResolution,
	}
}

// Metrics returns the metrics of Evaluate on a sample.
func (s Sample) Metrics() []Metric {
	if s.Truth == nil {
		return Metrics()
	}
	return append(Metrics(), TruthMetrics()...)
}

// Direction says which way a metric improves.
type Direction string

// The directions. Neither is a metric with a target in the middle, such as the
// calibration slope, which is best at 1.
const (
	Higher  Direction = "higher"
	Lower   Direction = "lower"
	Neither Direction = "neither"
)

// Better returns the direction in which the metric improves.
func (m Metric) Better() Direction {
	if _, ok := m.threshold(); ok {
		return Higher
	}
	switch m {
	case MetricAUROC, MetricAUPRC, MetricAccuracy, MetricBalancedAccuracy, MetricBrierResolution:
		return Higher
	case MetricBrier, MetricLogLoss, MetricECE, MetricECEMass, MetricBrierReliability, MetricIRMSE, MetricExcessLogLoss:
		return Lower
	default:
		return Neither
	}
}

// ParseMetric returns the metric with the given name: one of Metrics or
// TruthMetrics, or net_benefit@t with a threshold t between 0 and 1.
func ParseMetric(name string) (Metric, error) {
	m, known := Metric(name), append(Metrics(), TruthMetrics()...)
	if _, ok := m.threshold(); ok || slices.Contains(known, m) {
		return m, nil
	}
	names := make([]string, 0, len(known))
	for _, m := range known {
		names = append(names, string(m))
	}
	return "", fmt.Errorf("unknown metric %q: use one of %s, or %s with a threshold, such as %s0.1", name, strings.Join(names, ", "), netBenefitPrefix, netBenefitPrefix)
}

// worse reports whether a is worse than b in direction d; NaN is never worse.
func (d Direction) worse(a, b float64) bool {
	if d == Lower {
		return a > b
	}
	return a < b
}

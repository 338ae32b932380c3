// Package mlflow reads and writes runs the way MLflow keeps them: as a directory of
// files (mlruns), or on a tracking server through its REST interface. It knows
// nothing of sweeps. Start at [Open].
package mlflow

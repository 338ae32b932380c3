// Package manifest is the file dataset.toml: what the tables of a dataset mean.
//
// Parse is strict. A key it does not know, a value of the wrong type and a
// reference to nothing are errors that name the file, the line and the key, and
// suggest what may have been meant. It checks everything that can be known
// without opening a table; the loader in host/dataset checks the rest and
// reports it with Manifest.Errorf, so that those errors name a line too.
//
// A dataset in the MEDS layout (Arnrich et al., 2024) is read as it is:
//
//	[[table]]
//	name = "labels"                  # the main table: one line a prediction
//	file = "labels.parquet"
//
//	[[table]]
//	name = "events"
//	key  = "subject_id"
//	on   = "subject_id"
//	long = true
//	part = [{ file = "data/train/0.parquet" }, { file = "data/held_out/0.parquet" }]
//
//	[[column]]
//	name     = "sample"
//	template = "{subject_id}@{prediction_time}"
//
//	[rows]
//	id      = "sample"
//	patient = "subject_id"
//	time    = "prediction_time"
//
//	[label]
//	column = "boolean_value"
//	task   = "binary"
//
//	[[modality]]
//	name   = "vitals"
//	kind   = "sequence"
//	table  = "events"
//	codes  = ["HR", "LAB//*"]
//	bucket = "4h"
//	length = 48
//	until  = "prediction_time"       # nothing later is used
//
// Event tables with other names say so with code, value and time.
//
// The package reads no data and never imports a plugin, tracker or database
// package. Start at Manifest and Parse.
package manifest

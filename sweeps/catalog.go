package sweeps

// Catalog says what a sweep file may refer to. Implementations answer from what
// is installed; they must not need a database.
type Catalog interface {
	// Dataset describes an added dataset.
	Dataset(name string) (DatasetInfo, error)
	// Backbone and Strategy describe installed plugins.
	Backbone(name string) (PluginInfo, error)
	Strategy(name string) (PluginInfo, error)
	// Component lists the settings of a built-in component: "missingness" or
	// "dual_branch".
	Component(name string) []Parameter
}

// CatalogWithNames is an optional interface of a Catalog: what exists, for
// suggestions when a name is unknown. Kind is "dataset", "backbone", "strategy" or
// "sampler".
type CatalogWithNames interface {
	Names(kind string) []string
}

// CatalogWithSamplers is an optional interface of a Catalog: installed plugins that
// choose configurations.
type CatalogWithSamplers interface {
	Sampler(name string) (PluginInfo, error)
}

// CatalogWithCodes is an optional interface of a Catalog: the error codes a run
// can fail with, to check run.retry.on against.
type CatalogWithCodes interface {
	Codes() []string
}

// CatalogWithComponents is an optional interface of a Catalog: whether the
// complete settings of the components (nil: off) exclude each other or the task
// of a dataset.
type CatalogWithComponents interface {
	Components(data DatasetInfo, missingness, dualBranch Settings) error
}

// CatalogWithDefaults is an optional interface of a Catalog: the defaults of a
// component that differ from the declared ones beside the settings that a file gives.
type CatalogWithDefaults interface {
	Defaults(component string, given Settings) Settings
}

// CatalogWithGenerators is an optional interface of a Catalog: datasets that are
// made by a program instead of being added.
type CatalogWithGenerators interface {
	// Generator lists the settings of a generator.
	Generator(name string) ([]Parameter, error)
	// Generate describes the dataset, of a name in the sweep, that a generator makes
	// of settings which are right one by one. It makes nothing. An error about a
	// setting begins with its name.
	Generate(name, generator string, settings Settings) (DatasetInfo, error)
}

// DatasetInfo describes a dataset.
type DatasetInfo struct {
	Name, Hash string
	Modalities []string
	Groups     []string // subgroup columns; "pattern" is always known
	Shifts     []string // shifted tests it supports, by name or name:argument; nil is not checked
	Rows       int
	Task       string // binary, multiclass, multilabel
	Classes    int    // of the task
	// Generator makes the dataset of Settings, which are complete, and of the seed
	// of a run. Hash is then of generator, name and settings.
	Generator string
	Settings  Settings
	// Truth says that P(Y = 1 | do(x)) of the test rows is known.
	Truth bool
}

// PluginInfo describes a plugin. Hash identifies the
// plugin's whole file tree.
type PluginInfo struct {
	Name, Version, Hash string
	Parameters          []Parameter
	// EndToEnd says of a backbone that it trains and predicts by itself, in one go. It
	// hands out no representation, so that neither a component nor a strategy can work
	// on it, and the host's optimizer, head and stopping rules have nothing to do with
	// it.
	EndToEnd bool
}

// Parameter is one setting of a plugin or component.
type Parameter struct {
	Name string
	Type string // float, int, bool, string
	// Default is float64, int64, bool or string by Type (int and float32 are
	// converted).
	Default any
	// Min and Max bound numbers; nil is unbounded.
	Min, Max *float64
	// Values lists what is allowed; nil allows everything within the bounds.
	Values []any
	Text   string
}

// Builtin lists the settings of the parts of a run that the host itself
// provides: "optimizer", "head" and "run". It is nil for any other name.
func Builtin(section string) []Parameter {
	bound := func(f float64) *float64 { return &f }
	switch section {
	case "optimizer":
		return []Parameter{
			{Name: "name", Type: "string", Default: "adamw", Values: []any{"adam", "adamw", "sgd"}, Text: "update rule"},
			{Name: "lr", Type: "float", Default: 1e-3, Min: bound(1e-8), Max: bound(10), Text: "learning rate"},
			{Name: "weight_decay", Type: "float", Default: 1e-4, Min: bound(0), Max: bound(10), Text: "decoupled for adamw, L2 for adam and sgd"},
			{Name: "beta1", Type: "float", Default: 0.9, Min: bound(0), Max: bound(0.9999), Text: "decay of the first moment"},
			{Name: "beta2", Type: "float", Default: 0.999, Min: bound(0), Max: bound(0.999999), Text: "decay of the second moment"},
			{Name: "epsilon", Type: "float", Default: 1e-8, Min: bound(1e-12), Max: bound(1), Text: "added to the denominator"},
			{Name: "momentum", Type: "float", Default: 0.9, Min: bound(0), Max: bound(0.9999), Text: "of sgd"},
			{Name: "clip_norm", Type: "float", Default: 1.0, Min: bound(0), Max: bound(1e6), Text: "largest gradient norm; 0 is off"},
		}
	case "head":
		return []Parameter{
			{Name: "hidden", Type: "int", Default: int64(32), Min: bound(1), Max: bound(4096), Text: "width of the classifier's hidden layer"},
			{Name: "dropout", Type: "float", Default: 0.1, Min: bound(0), Max: bound(0.95), Text: "dropout of the classifier"},
		}
	case "run":
		return []Parameter{
			{Name: "epochs", Type: "int", Default: int64(30), Min: bound(1), Max: bound(100000), Text: "most epochs to train"},
			{Name: "batch_size", Type: "int", Default: int64(128), Min: bound(2), Max: bound(1 << 20), Text: "rows in a batch"},
			{Name: "patience", Type: "int", Default: int64(0), Min: bound(0), Max: bound(100000), Text: "epochs without a better validation value before training stops; 0 trains all"},
			{Name: "width", Type: "int", Default: int64(64), Min: bound(1), Max: bound(8192), Text: "width of the representation h"},
			{Name: "diagnostics", Type: "string", Default: DiagnosticsStandard, Values: []any{DiagnosticsOff, DiagnosticsCheap, DiagnosticsStandard, DiagnosticsFull}, Text: "off; cheap judges predictions alone; standard also asks the finished model of a replicate what it leans on; full probes with networks too"},
		}
	}
	return nil
}

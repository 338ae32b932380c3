// Package sdk is the contract between the host and its plugins: what a backbone
// fusion model, a debiasing strategy and a sampler of searches must be able to do, in
// plain Go types.
//
// It imports the standard library only, and never the host, the tracker, the
// sweeps, a database driver or a configuration language; wire types stop at
// sdk/transport.
//
// # Who does what
//
// A plugin is a program of its own that the host starts. It answers [Info] and
// opens sessions; a session is one model in training. One process serves many
// sessions at the same time, and a session is used by one call at a time.
//
// A backbone turns modalities into one fused vector per row, the representation
// h [batch, width]. The host owns everything behind h: the classifier, the
// missingness-deconfounding module, the dual-branch network, losses and
// metrics. One training step is
//
//	Forward(rows, availability)  -> h
//	Backward(dh)                 -> the backbone updates its own parameters
//
// and features never cross the process border: both sides map the same
// read-only feature store (package sdk/features).
//
// A strategy changes how the model is trained: it may take modalities away
// ([StrategySession] Augment) and it turns per-row losses into sample weights
// and a penalty with gradients (Objective).
//
// A sampler chooses the configurations of a search. It opens no session: it is asked
// for one trial at a time ([Sampler] Propose), and told all that the answer may depend
// on.
//
// # From nothing to a sweep
//
//	deconfound plugin new mymodel                     # or: mytrick --kind strategy
//	cd mymodel && go build .                          # edit model.go first, or later
//	deconfound plugin check .                         # the conformance suite
//	export DECONFOUND_PLUGIN_PATH=$(dirname "$PWD")   # where plugins are looked for
//	deconfound plugin ls
//
// The new directory is a Go module of its own. Its go.mod takes the SDK from the
// checkout that the program was built in by a replace directive, and lists what all
// packages of the SDK need. In the sweep file the plugin has the name of its Info, and its
// hyperparameters are parameters like all others:
//
//	[axes]
//	backbone = ["concat", "mymodel"]
//	[variants.trick]
//	strategy = "mytrick"
//	[parameters]
//	"backbone.rank"  = { values = [2, 4] }     # for backbones that declare rank
//	"strategy.gamma" = { value = 0.5 }
//
// # Writing a backbone
//
// The short way is package sdk/backbone: write the forward pass on a tape of
// sdk/nn, and gradients, sessions, optimiser, snapshots and checks are done. This
// is the whole of low-rank fusion, h = Σ_r Π_m (W_rm e_m + b_rm), where a modality
// that a row lacks contributes its bias alone (LMF, Liu et al., ACL 2018):
//
//	var info = sdk.Info{
//		Name: "mymodel", Version: "0.1.0", Licence: "Apache-2.0",
//		Hyperparameters: append(encoder.Hyperparameters(), sdk.Hyperparameter{
//			Name: "rank", Type: sdk.Int, Default: 4, Min: 1, Max: 64, Text: "Terms of the sum.",
//		}),
//		Capabilities: sdk.Capabilities{BatchIndependent: true, Deterministic: true},
//	}
//
//	type model struct {
//		params   nn.Params
//		encoders *encoder.Set
//		factors  [][]*nn.Linear // [rank][modality]
//	}
//
//	func build(c backbone.Config) (backbone.Model, error) {
//		m := &model{}
//		m.encoders = encoder.For(&m.params, c, c.Int("hidden"))
//		for r := range c.Int("rank") {
//			var of []*nn.Linear
//			for i, modality := range c.Modalities {
//				name, random := fmt.Sprintf("factor%d.%s", r, modality.Name), c.Rand("factor", r, i)
//				l := nn.NewLinear(&m.params, name, c.Int("hidden"), c.Width, random)
//				nn.Ones(l.Bias) // a bias of zero would let one missing modality silence all
//				of = append(of, l)
//			}
//			m.factors = append(m.factors, of)
//		}
//		return backbone.FromTape(m), nil
//	}
//
//	func (m *model) Params() *nn.Params { return &m.params }
//
//	func (m *model) Forward(t *nn.Tape, b *backbone.Batch) (*nn.Var, []backbone.Term) {
//		e := m.encoders.Encode(t, b) // zero in rows that lack the modality
//		var terms []*nn.Var
//		for _, of := range m.factors {
//			term := of[0].Apply(t, e[0])
//			for i := 1; i < len(of); i++ {
//				term = t.Mul(term, of[i].Apply(t, e[i]))
//			}
//			terms = append(terms, term)
//		}
//		return t.Sum(terms...), nil
//	}
//
//	func main() { serve.Backbone(backbone.New(info, build)) }
//
// Read b.Features(m, b.Observed(m)) for an encoder of your own, return terms for
// auxiliary losses, ask for the labels of the batch with
// [Capabilities].NeedsLabels, and write an operation that sdk/nn lacks with
// nn.Tape.Op: plugin check compares its gradient with finite differences. Package
// sdk/graph takes the model as a gorgonia graph instead. The long way is this
// package alone: implement [Backbone] and [BackboneSession].
//
// # Writing a strategy
//
// The short way is package sdk/strategy: a rule has one method or more of
// Augment (hide modalities of training rows), Weights (one weight a row), Penalty
// (a value with its gradients in h and the logits), State and SetState. This one
// takes a norm off h:
//
//	type rule struct{ gamma float64 }
//
//	func build(c strategy.Config) (strategy.Rule, error) {
//		return rule{c.Float("gamma")}, nil // c.Open has the training rows
//	}
//
//	func (r rule) Penalty(b strategy.Batch) (value float64, dh, dlogits []float32, terms []sdk.Term, err error) {
//		dh = make([]float32, len(b.H.Data))
//		for i, x := range b.H.Data {
//			value += r.gamma * float64(x) * float64(x) / float64(len(b.Rows))
//			dh[i] = float32(r.gamma) * 2 * x / float32(len(b.Rows))
//		}
//		return value, dh, nil, terms, nil
//	}
//
//	func main() { serve.Strategy(strategy.New(info, build)) }
//
// A strategy can do more than weigh and penalise. It declares so in its
// [Capabilities], its rule has the methods of strategy.Stager, Mixer or Fitter, and
// the host calls them:
//
//   - Stages: training in parts, each of which may begin with a new model and sees
//     what the last one says of the training rows (JTT);
//   - Mixes: rows of a batch are mixed in h, after fusion, and so are their losses
//     (mixup, LISA);
//   - PostHoc: what is fitted to validation rows after training, and corrects the
//     predictions of all others (calibration, DFR). It never sees a test label.
//
// These came with version 1.1 of the contract. A plugin says in its Info which
// version it was built for, and is refused by a host that is older; one that is older
// than the host loads as before. A hyperparameter that counts steps or epochs says
// so in its Unit, and the host warns of one that a run does not reach.
//
// # Writing a sampler
//
// The short way is package sdk/sampler, a function from a [ProposeRequest] to a point.
// A sweep names it, and varies nothing of it:
//
//	[search]
//	method = "plugin"
//	plugin = { name = "mysampler", startup = 10 }   # startup is a hyperparameter of it
//	trials = 40
//
// The same request must have the same answer, in any process: draw from Seed, Number
// and the number of refused points, and keep nothing between calls. Parameters with a
// condition (Conditional) get a value whether or not it holds; the host knows. Samplers
// came with version 1.2 of the contract.
//
// # The directory of a plugin
//
// It holds the program and plugin.toml:
//
//	[plugin]
//	kind = "backbone"                  # or "strategy", "sampler"
//	name = "mymodel"                   # as in Info
//	protocol = 1
//	[exec]
//	command = ["./mymodel"]            # the program and its arguments
//	env = ["CUDA_VISIBLE_DEVICES"]     # of the host's environment, beside PATH, HOME, TMPDIR, LANG
//	memory = "4GiB"                    # the process is ended beyond this; default none
//	start_timeout = "90s"              # to the handshake; default one minute
//
// The hash of all files in the directory is the identity of the plugin: it goes
// into every run and into plugins.lock.toml. A changed file makes other runs, so
// keep notes, data and version control outside, or build into a directory of its
// own.
//
// # When it goes wrong
//
// The run ends with a code and the last lines the plugin printed ("deconfound runs
// logs RUN"); other runs go on. bad_shape and not_finite: an answer has another
// shape than asked for, or a NaN; panic: with file and line; deadline: no answer
// within two minutes to a step, five to opening and snapshots; plugin_crash,
// plugin_memory and plugin_start: the process ended, grew beyond exec.memory (its
// child processes count), or did not shake hands, and is started again for the next
// run.
//
// # Rules
//
//   - Every call has the shape Do(ctx, DoRequest, *DoResponse) error, one method
//     one file, so that fields can be added without breaking a plugin.
//   - Slices in a request belong to the caller and may be views of shared memory:
//     they are valid until the call returns, must not be written to and must not
//     be kept. Slices in a response belong to the session, which may use them
//     again from the next call on.
//   - Randomness is keyed by OpenRequest.Seed and Step (package sdk/rng), never by
//     a generator that lives across steps: a restored session must go on with the
//     same bits.
//   - Availability in a request may differ from the data's (modality dropout,
//     interventions, mask flips). The request's is the one to use: a modality
//     whose bit is clear must not influence h.
//   - Features are standardised, and then cleared of the directions of
//     Scaling.Erasure, by which the host takes out what carries a confounder. The
//     packages backbone and features do it; a backbone that reads the feature
//     store in another way declares [Capabilities].Erasure once it does too, and
//     is not used with directions to erase before.
//   - A backbone never sees validation or test labels. It sees the labels of a
//     training batch only if it declares [Capabilities].NeedsLabels.
//   - Standard output belongs to the handshake; sdk/serve sends what an author
//     prints to standard error, which the host keeps as the run's plugin log.
//   - Return [Error] with a [Code] for what the user can act on. Any other error
//     reaches the host as internal, a panic as panic.
//
// Optional abilities are declared in [Capabilities]; new ones will be added
// there, off by default.
package sdk

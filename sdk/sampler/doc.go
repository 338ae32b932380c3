// Package sampler is the short way to write a sampler, a plugin that chooses the
// configurations of a search: a function from a request to a point. Requests and
// points are checked here, and hyperparameters are complete.
//
//	func propose(req sdk.ProposeRequest) (sdk.Values, error) {
//		point := sdk.Values{}
//		for _, d := range req.Dimensions {
//			point[d.Name] = sampler.At(d, sampler.Rand(req, d.Name).Float64())
//		}
//		return point, nil
//	}
//
//	func main() { serve.Sampler(sampler.New(info, propose)) }
//
// This one draws at random. Package serve makes a program of it. The package imports
// packages of the SDK only. Start at [New].
package sampler

package sweeps

import "embed"

// Shipped are the sweeps that come with the program.
//
//go:embed *.toml
var Shipped embed.FS

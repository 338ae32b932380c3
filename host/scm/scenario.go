package scm

// Scenario returns the knobs of a named scenario:
//
//	S0  nothing                        S4  S2, and U moves the causal columns
//	S1  spurious columns               S5  spurious columns, missing at random by W
//	S2  S1, and availability by U      S6  availability by the label
//	S3  availability by U              S7  availability by the modality's own value
func Scenario(name string) (Config, bool) {
	c := Default()
	switch name {
	case "S0":
	case "S1":
		c.Kappa = .7
	case "S2":
		c.Kappa, c.GammaU = .7, 1.5
	case "S3":
		c.GammaU = 1.5
	case "S4":
		c.Kappa, c.GammaU, c.Omega = .7, 1.5, .5
	case "S5":
		c.Kappa, c.GammaW = .7, 1.5
	case "S6":
		c.GammaY = .75
	case "S7":
		c.GammaX = 1.5
	default:
		return Config{}, false
	}
	return c, true
}

// Scenarios lists the names.
func Scenarios() []string { return []string{"S0", "S1", "S2", "S3", "S4", "S5", "S6", "S7"} }

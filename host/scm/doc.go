// Package scm generates data whose causal truth is known: MM-CONF, a structural
// causal model of a patient with several modalities, a latent confounder, and
// availability that depends on it. P(Y = 1 | do(X_observed = x)) of every row is
// known in closed form, so that the error of a model can be measured instead of
// its agreement with confounded labels.
//
// The model, for modality m and its columns j (Config names the knobs; all draws
// are independent, ε is standard normal, wherever it stands):
//
//	F ~ N(0, I₂)   U ~ N(0, 1)   W ~ N(0, 1)
//	X_c[m,j] = (Λ_mj·F + √½ ε + ω g_mj U) / √(1+ω²)                       (1)
//	X_s[m,j] = κ Γ_mj U + √(1−κ²) ε          X_n[m,j] = ε                  (2)
//	Y   ~ Bernoulli σ(b + f(X_c) + β U + β_W W)                            (3)
//	δ_m ~ Bernoulli σ(a_m + γ_U U + γ_W W + γ_X Σ_j X_c[m,j]/√C + γ_Y(2Y−1)) (4)
//
// With the link product, spurious columns come in pairs, of which the first is ε and
// the second (2) times the sign of the first: no column and no linear combination
// tells of U, while the product of the two does.
//
// f is wᵀX_c, with Var(wᵀX_c) = 2.5, and in the nonlinear outcome also
// ½ Σ_m X_c[m,1] X_c[m+1,2]. b and a_m are such that the prevalence and the rate
// of missing modalities, before (4) is drawn again for rows that miss all, are as
// configured. The constants Λ, g, Γ and w are drawn once for each dataset seed.
//
// Availability is missing completely at random without any γ; at random with
// γ_W; and not at random with γ_U (through the confounder), γ_X (by its own
// value) and γ_Y (by the label). κ > 0 makes columns spurious, ω > 0 moves the
// causal columns with the confounder as well, so that leaving the spurious ones
// out is no adjustment.
//
// Start at Config, Scenario and New; Source makes a dataset of it. The package
// does no database and no plugin I/O.
package scm

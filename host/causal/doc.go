// Package causal is the host's head: what turns a representation h, answered by
// any backbone, into logits, and the two debiasing components that sit between.
//
//   - Missingness deconfounding (Missingness) adjusts for what the availability
//     of modalities says about a latent confounder, by the backdoor formula over
//     strata: P(y | do(x)) = sum_k P_k P(y | h, s_k). The problem is that of Zhu et
//     al., arXiv 2509.05615; the dictionary form that of CCIM (Yang et al., CVPR
//     2023).
//   - The dual branch (DualBranch) splits h into a causal part z_c and a biased
//     part z_b: LfF (Nam et al., NeurIPS 2020), DisEnt (Lee et al., NeurIPS 2021),
//     DisC (Fan et al., NeurIPS 2022), CaBiR.
//     Or it is parted at the input: Separation finds the part of each modality
//     that predicts the availability of the others, which is erased from what the
//     backbone sees.
//   - Both together train a joint head on (z_c, z_b, s_k) and average it over the
//     joint distribution of (z_b, k) in the training rows.
//
// How the adjusted head is trained decides whether it does anything: every row
// is trained in its own stratum, and the sum over strata is taken only when
// predicting. A network trained on the sum fits P(y | x, availability) again.
//
// Start with Head; the settings are in Missingness, DualBranch and their
// Parameters. Everything random is keyed by Config.Seed, a label and the step,
// so a head restored from a snapshot continues to the same bits.
//
// The package is mathematics only: it never imports a database driver, the
// tracker, the plugin launcher or a configuration format.
package causal

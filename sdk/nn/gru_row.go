package nn

// unstep writes the gradients of the sums of a step of a GRU: din of x·W + b, and
// last of h·U + c of the candidate, which the reset gate multiplies. It turns dh of
// the state after the step into the part of dh before it that does not pass U. In
// gates and din are reset gate, update gate and candidate after each other, each as
// long as the rest.
func unstep(din, last, dh, gates, previous, product []float32) {
	n := len(dh)
	if n == 0 {
		return
	}
	din, gates, last, previous, product = din[:3*n], gates[:3*n], last[:n], previous[:n], product[:n]
	if hasAVX2 {
		unstepAVX2(n, &din[0], &last[0], &dh[0], &gates[0], &previous[0], &product[0])
		return
	}
	r, z, candidate := gates[:n], gates[n:2*n], gates[2*n:]
	for j, d := range dh {
		dn := d * (1 - z[j]) * (1 - candidate[j]*candidate[j])
		din[n+j] = d * (previous[j] - candidate[j]) * z[j] * (1 - z[j])
		din[j] = dn * product[j] * r[j] * (1 - r[j])
		din[2*n+j] = dn
		last[j] = dn * r[j]
		dh[j] = d * z[j]
	}
}

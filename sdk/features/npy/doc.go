// Package npy reads and writes the NumPy array format (NEP 1), as far as a
// feature store and the arrays users bring along need it: little-endian or
// single-byte numbers in C order, format versions 1 to 3.
//
// It never imports anything but the standard library. Start at Write, and at
// ParseHeader for memory-mapped files or Read for everything else.
package npy

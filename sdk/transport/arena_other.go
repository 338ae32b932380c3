//go:build !linux

package transport

import "errors"

// NewArena is for Linux only; elsewhere tensors travel as bytes.
func NewArena() (*Arena, error) { return nil, errors.ErrUnsupported }

// MapArena is for Linux only.
func MapArena(int) (*Arena, error) { return nil, errors.ErrUnsupported }

func unmap([]byte) error { return nil }

func discard([]byte) {}

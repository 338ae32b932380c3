//go:build !linux

package transport

import (
	"errors"
	"os"
)

// NewDoor is for Linux only; elsewhere sessions are gRPC streams.
func NewDoor() (*Door, error) { return nil, errors.ErrUnsupported }

// Greeted is for Linux only.
func (d *Door) Greeted() bool { return false }

func (d *Door) open() (*os.File, error) { return nil, errors.ErrUnsupported }

func endOfWriting(*os.File) error { return errors.ErrUnsupported }

// OpenDoor is for Linux only.
func OpenDoor(int) (*Door, error) { return nil, errors.ErrUnsupported }

func (d *Door) accept() (*os.File, error) { return nil, errors.ErrUnsupported }

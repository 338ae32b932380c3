package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/gob"
	"errors"
	"fmt"
	"os"
	"reflect"
	"runtime/debug"
	"strings"
	"sync"

	"github.com/deconfound/deconfound/tracker"
)

// compareSweep answers what was kept of the same comparison of the same runs, or makes
// and keeps it.
func compareSweep(ctx context.Context, store *tracker.Store, request comparison) (compared, error) {
	if err := request.check(); err != nil {
		return compared{}, err
	}
	sweep, err := store.Sweep(ctx, "", request.sweep)
	if err != nil {
		return compared{}, err
	}
	key, err := request.key(ctx, store, sweep)
	if err != nil {
		return compared{}, err
	}
	if result, ok, err := readKept(ctx, store, sweep, key); ok || err != nil {
		return result, err
	}
	made, err := makeComparison(ctx, store, sweep, request)
	if err != nil {
		return compared{}, err
	}
	packed, err := made.pack()
	if err != nil {
		return compared{}, err
	}
	if err := store.KeepComparison(ctx, sweep.ID, key, packed); err != nil {
		return compared{}, err
	}
	return unpackComparison(packed) // what is kept and what is made are printed alike
}

// keptComparison answers what was kept, and false where it has to be made.
func keptComparison(ctx context.Context, store *tracker.Store, sweep tracker.Sweep, request comparison) (compared, bool, error) {
	key, err := request.key(ctx, store, sweep)
	if err != nil {
		return compared{}, false, err
	}
	return readKept(ctx, store, sweep, key)
}

func readKept(ctx context.Context, store *tracker.Store, sweep tracker.Sweep, key []byte) (compared, bool, error) {
	packed, err := store.KeptComparison(ctx, sweep.ID, key)
	if errors.Is(err, tracker.ErrNotFound) {
		return compared{}, false, nil
	}
	if err != nil {
		return compared{}, false, err
	}
	result, err := unpackComparison(packed)
	return result, err == nil, err
}

// key is the SHA-256 of all that the result depends on: the program, the request, and
// the content of the sweep.
func (c comparison) key(ctx context.Context, store *tracker.Store, sweep tracker.Sweep) ([]byte, error) {
	state, err := store.ComparisonState(ctx, sweep.ID)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%q\x00%q\x00%q\x00%d\x00%v", thisProgram(), state, c.baseline, c.metric, c.test, c.resamples, c.thresholds))
	return sum[:], nil
}

// thisProgram names the build: another one may compute otherwise.
var thisProgram = sync.OnceValue(func() string {
	name := version
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				name += " " + s.Value
			}
		}
	}
	if path, err := os.Executable(); err == nil {
		if file, err := os.Stat(path); err == nil {
			name += fmt.Sprintf(" %d %d", file.Size(), file.ModTime().UnixNano())
		}
	}
	return name
})

// pack encodes a comparison so that every number keeps its bits, infinities too.
func (c compared) pack() ([]byte, error) {
	var out bytes.Buffer
	if err := gob.NewEncoder(&out).Encode(c); err != nil {
		return nil, fmt.Errorf("encode comparison: %w", err)
	}
	return out.Bytes(), nil
}

func unpackComparison(packed []byte) (compared, error) {
	var c compared
	if err := gob.NewDecoder(bytes.NewReader(packed)).Decode(&c); err != nil {
		return compared{}, fmt.Errorf("decode comparison: %w", err)
	}
	fillEmpty(reflect.ValueOf(&c))
	return c, nil
}

// fillEmpty makes nil slices empty, as which they print in JSON: gob does not tell the
// two apart. Where nil says something, JSON leaves the field out.
func fillEmpty(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			fillEmpty(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).Kind() != reflect.Slice || v.Field(i).Len() > 0 || !strings.Contains(v.Type().Field(i).Tag.Get("json"), "omitempty") {
				fillEmpty(v.Field(i))
			}
		}
	case reflect.Slice:
		if v.IsNil() {
			v.Set(reflect.MakeSlice(v.Type(), 0, 0))
		}
		for i := range v.Len() {
			fillEmpty(v.Index(i))
		}
	}
}

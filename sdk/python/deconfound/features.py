"""The feature store: what a dataset's rows look like to a backbone.

A store is a directory with an index (store.json) and one NPY array a modality:
float32, raw values, NaN where a cell is missing. A sequence is [rows, length, width]
with an int32 array of lengths. `Store.gather` gives the same bits as the Go package
sdk/features.
"""

import json
import os
from dataclasses import dataclass, field

import numpy as np

from deconfound.errors import bad_request

FORMAT = 1
KINDS = ("tabular", "sequence", "embedding")


@dataclass(frozen=True)
class Erasure:
    """Takes linear components out of standardised columns z: what remains is
    z - write' (read z - offset). read and write are [directions, width], offset is
    [directions], all float32."""

    read: np.ndarray
    write: np.ndarray
    offset: np.ndarray

    def apply(self, z: np.ndarray) -> None:
        """Erases in place from z, [n, width]. Sums run in the order of the columns,
        in float64, so that the bits are those of every other reader."""
        x = z.astype(np.float64)
        components = []
        for read, offset in zip(self.read.astype(np.float64), self.offset.astype(np.float64)):
            terms = np.empty((x.shape[0], x.shape[1] + 1))
            terms[:, 0] = -offset
            np.multiply(x, read, out=terms[:, 1:])
            components.append(np.add.accumulate(terms, axis=1)[:, -1:])
        for write, component in zip(self.write.astype(np.float64), components):
            x -= write * component
        z[...] = _finite(x)


@dataclass(frozen=True)
class Scaling:
    """Standardises columns: (x - mean) / scale, where a scale of 0 marks a constant
    column, whose output is 0. Then the erasure is applied. Without a mean, values
    stay as they are."""

    mean: np.ndarray | None = None  # [width]
    scale: np.ndarray | None = None  # [width]
    erasure: Erasure | None = None


@dataclass(frozen=True)
class StoredModality:
    """One array of a store. columns are their names, or empty; length is that of
    the longest sequence, 0 for other kinds."""

    name: str
    kind: str
    width: int
    length: int
    columns: tuple[str, ...]
    values: np.ndarray = field(repr=False)  # float32, read-only
    lengths: np.ndarray | None = field(repr=False)  # int32, of a sequence


class Store:
    """An open, read-only feature store. rows is the number of rows, modalities are
    in the order of the index. Errors have code bad_request."""

    def __init__(self, directory: str):
        try:
            with open(os.path.join(directory, "store.json"), encoding="utf-8") as f:
                index = json.load(f)
            if index.get("format") != FORMAT:
                raise bad_request(f"format {index.get('format')} is not supported, this package reads {FORMAT}; build the store again")
            self.rows: int = index["rows"]
            self.modalities = [self._read(directory, m) for m in index["modalities"] or []]
        except (OSError, ValueError, KeyError, TypeError) as e:
            raise bad_request(f"open feature store {directory}: {e}") from e
        self._index = {m.name: m for m in self.modalities}

    def _read(self, directory: str, m: dict) -> StoredModality:
        kind, width, length = m["kind"], m["width"], m.get("length", 0)
        if kind not in KINDS or width < 1 or (kind == "sequence") != (length > 0):
            raise ValueError(f"modality {m['name']}: {kind} of width {width} and length {length}")
        shape = (self.rows, length, width) if kind == "sequence" else (self.rows, width)
        values = _map(directory, m["array"], "<f4", shape)
        lengths = _map(directory, m["lengths"], "<i4", (self.rows,)) if kind == "sequence" else None
        return StoredModality(m["name"], kind, width, length, tuple(m.get("columns") or ()), values, lengths)

    def lookup(self, name: str) -> StoredModality:
        """The modality of a name; code bad_request if there is none."""
        if name not in self._index:
            raise bad_request(f'the feature store has no modality "{name}"')
        return self._index[name]

    def lengths(self, name: str, rows: np.ndarray) -> np.ndarray:
        """The number of steps of rows of a sequence, int32."""
        m = self.lookup(name)
        if m.lengths is None:
            raise bad_request(f"lengths of {name}: it is {m.kind}, not a sequence")
        return np.clip(m.lengths[rows], 0, m.length)

    def gather(self, name: str, rows: np.ndarray, scaling: Scaling = Scaling()) -> np.ndarray:
        """The standardised values of rows, [len(rows), width] or [len(rows), length,
        width], float32. They are finite: a missing cell is 0, and so are the steps
        of a sequence beyond its length. Rows may repeat."""
        m = self.lookup(name)
        rows = np.asarray(rows)
        if rows.size and (rows.min() < 0 or rows.max() >= self.rows):
            raise bad_request(f"gather {name}: a row of {rows.min()} to {rows.max()} is not in a store with {self.rows} rows")
        out = m.values[rows].astype(np.float64 if scaling.mean is not None else np.float32)
        with np.errstate(all="ignore"):
            if scaling.mean is not None:
                scale = scaling.scale.astype(np.float64)
                kept = scale > 0
                out -= scaling.mean.astype(np.float64)
                out /= np.where(kept, scale, 1.0)
                out[..., ~kept] = 0
            z = _finite(out)
            if m.lengths is not None:
                beyond = np.arange(m.length) >= self.lengths(name, rows)[:, None]
                z[beyond] = 0
            if scaling.erasure is not None:
                if m.lengths is None:
                    scaling.erasure.apply(z)
                else:
                    steps = z[~beyond]
                    scaling.erasure.apply(steps)
                    z[~beyond] = steps
        return z


def _map(directory: str, name: str, kind: str, shape: tuple[int, ...]) -> np.ndarray:
    if not name or os.path.basename(name) != name or name in (".", ".."):
        raise ValueError(f"file name {name!r} leaves the store")
    path = os.path.join(directory, name)
    # numpy maps no array without elements.
    array = np.load(path, mmap_mode="r" if 0 not in shape else None, allow_pickle=False)
    if array.dtype != np.dtype(kind) or array.shape != shape:
        raise ValueError(f"{path}: array is {array.dtype.str} {array.shape}, the index says {kind} {shape}")
    return np.asarray(array)


def _finite(x: np.ndarray) -> np.ndarray:
    """x as float32, with 0 for what is not finite."""
    z = x.astype(np.float32)
    z[~np.isfinite(z)] = 0
    return z


__all__ = ["Erasure", "Scaling", "Store", "StoredModality"]

"""The feature store gives the bits that Go's reader gives."""

import json
import pathlib

import numpy as np
import pytest

import deconfound

GATHER = pathlib.Path(__file__).parents[2] / "features" / "testdata" / "gather"


def array(values):
    return None if values is None else np.array(values, np.float32)


def test_gather_gives_the_bits_of_go():
    request = json.loads((GATHER / "request.json").read_text())
    store = deconfound.Store(str(GATHER))
    assert [m.name for m in store.modalities] == ["table", "series", "plain"]
    for m in request["Modalities"]:
        width, k = store.lookup(m["Name"]).width, m["Directions"]
        erasure = None
        if k:
            erasure = deconfound.Erasure(*(array(m[name]).reshape(k, width) for name in ("Read", "Write")), array(m["ErasedOffset"]))
        scaling = deconfound.Scaling(array(m["Mean"]), array(m["Scale"]), erasure)
        got = store.gather(m["Name"], np.array(request["Rows"]), scaling)
        want = np.load(GATHER / f"want_{m['Name']}.npy").reshape(got.shape)
        np.testing.assert_array_equal(got.view(np.uint32), want.view(np.uint32), err_msg=m["Name"])
        assert np.isfinite(got).all()
    np.testing.assert_array_equal(store.lengths("series", np.array([0, 5, 6])), [0, 5, 0])


def test_rows_and_names_are_checked():
    store = deconfound.Store(str(GATHER))
    for rows in ([-1], [store.rows]):
        with pytest.raises(deconfound.Error, match="not in a store"):
            store.gather("table", np.array(rows))
    with pytest.raises(deconfound.Error, match="no modality"):
        store.gather("other", np.array([0]))
    with pytest.raises(deconfound.Error, match="not a sequence"):
        store.lengths("table", np.array([0]))


@pytest.mark.parametrize(("old", "new"), [('"format": 1', '"format": 9'), ('"width": 7', '"width": 8'), ('"m00.npy"', '"../m00.npy"'), ("{", "")])
def test_damaged_index(tmp_path, old, new):
    for f in GATHER.iterdir():
        (tmp_path / f.name).write_bytes(f.read_bytes())
    index = tmp_path / "store.json"
    index.write_text(index.read_text().replace(old, new, 1))
    with pytest.raises(deconfound.Error) as e:
        deconfound.Store(str(tmp_path))
    assert e.value.code == "bad_request"


@pytest.mark.parametrize("kept", [0, 64 << 20])
def test_batch_reads_what_is_observed(monkeypatch, kept):
    from deconfound.backbone import Batch, Source

    monkeypatch.setattr(Source, "KEPT", kept)
    scaling = deconfound.Scaling(np.full(7, 2, np.float32), np.full(7, 3, np.float32))
    modalities = (deconfound.Modality("series", "sequence", 3, 5), deconfound.Modality("table", "tabular", 7, scaling=scaling))
    source, rows = Source(str(GATHER), modalities), np.array([5, 5, 8], np.int32)
    batch = Batch(rows, np.array([1, 2, 3], np.uint64), False, 0, None, modalities, source)
    want = source.store.gather("table", rows, scaling)
    want[0] = 0
    assert batch.features(1).tobytes() == want.tobytes()
    assert batch.features(1).tobytes() == want.tobytes()
    assert batch.lengths(0).tolist() == [5, 0, 2] and (batch.features(0)[1] == 0).all()
    assert batch.mask.tolist() == [[True, False], [False, True], [True, True]]

"""Steps per second of the shipped backbones against PyTorch, in the same run.

    python3 host/e2e/bench/backbones.py --python PYTHON [--python PYTHON ...] [--rounds 3] [--seconds 2] [--missing 0 40]

PYTHON is an interpreter with PyTorch; several compare several versions. `make build`
comes first. Ours is the whole of a training step: the plugin in its process, the
border, and the head in the host, both on one core. Each round runs every competitor
once, one after the other. "two cores" is two trainings on a core each, or one with
two threads, whichever is faster. Printed are medians and the ratio of ours to the
best PyTorch row.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[3]
ATTENTION = ["transformer", "prompts", "healnet", "mult", "m3care", "flexmoe"]
# Of each backbone: how many normal (or, negative, uniform) random numbers of a step the
# other side must be given, and hyperparameters other than the defaults. Draws of which
# one depends on another are switched off.
BACKBONES = {
    "concat": (0, []), "gated": (0, []), "late": (0, []), "mean": (0, []), "multimodn": (0, []), "transformer": (0, []),
    "muse": (0, ["edge_drop=0"]), "drfuse": (0, []), "shaspec": (0, []), "medfuse": (0, []), "healnet": (0, []),
    "m3care": (0, []), "lrtf": (0, []), "prompts": (0, []), "flexmoe": (256 * 64 * 16, []), "fusemoe": (256 * 16, []),
    "mult": (0, []), "grape": (-256 * 960, ["hidden=16"]), "cmae": (0, ["hide=0"]), "smil": (256 * 128, []),
}
CORES = sorted(os.sched_getaffinity(0))[:2]


def start(command, cores, env=None):
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env,
                            preexec_fn=lambda: os.sched_setaffinity(0, cores))


def rate(processes):
    """The sum of the rates, or None and why one failed."""
    outputs = [p.communicate() for p in processes]
    for p, (_, err) in zip(processes, outputs):
        if p.returncode:
            return None, (err.strip().splitlines() or ["no message"])[-1]
    results = [json.loads(out.strip().splitlines()[-1]) for out, _ in outputs]
    return sum(r["steps_per_second"] for r in results), results[0].get("torch")


def ours(binary, backbone, missing, seconds, cores, export=None):
    command = [binary, "-plugin", str(ROOT / "bin/plugins/backbone" / backbone), "-missing", str(missing), "-seconds", str(seconds)]
    draws, settings = BACKBONES[backbone]
    for value in settings:
        command += ["-set", value]
    if export:
        command += ["-export", str(export), "-draws", str(draws)]
    return rate([start(command, {core}) for core in cores])


def torch(python, backbone, case, seconds, extra, groups):
    """groups are the cores of each process, a thread a core."""
    processes = []
    for cores in groups:
        # OPENBLAS_CORETYPE pins some installations to an old kernel.
        env = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_")}
        env.update(OMP_NUM_THREADS=str(len(cores)), OPENBLAS_NUM_THREADS=str(len(cores)))
        command = [python, str(ROOT / "host/e2e/bench/torch_backbone.py"), backbone, str(case), "--threads", str(len(cores)), "--seconds", str(seconds), *extra]
        processes.append(start(command, set(cores), env))
    return rate(processes)


def variants(backbone, compiled):
    attention = ["matmul", "sdpa"] if backbone in ATTENTION else ["matmul"]
    out = [(f"{form}{', sdpa' if kind == 'sdpa' else ''}", ["--form", form, "--attention", kind]) for form in ("mask", "gather") for kind in attention]
    if compiled:
        out.append(("mask, compiled", ["--form", "mask", "--compile"]))
    return out


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--python", action="append", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--missing", type=int, nargs="+", default=[0, 40])
    parser.add_argument("--backbone", nargs="+", default=list(BACKBONES), choices=list(BACKBONES))
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    a = parser.parse_args()
    if len(CORES) < 2:
        raise SystemExit("two cores are needed")

    cases = [(backbone, missing) for backbone in a.backbone for missing in a.missing]
    rates, failed = {}, {}
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        binary = str(scratch / "backbone")
        subprocess.run(["go", "build", "-o", binary, "./host/e2e/bench/backbone"], check=True, cwd=ROOT)
        for backbone, missing in cases:
            done, why = ours(binary, backbone, missing, 0.01, CORES[:1], scratch / f"{backbone}-{missing}")
            if done is None:
                raise SystemExit(f"{backbone}: {why}")
        for _ in range(a.rounds):
            for backbone, missing in cases:
                case = scratch / f"{backbone}-{missing}"
                for cores in (1, 2):
                    done, why = ours(binary, backbone, missing, a.seconds, CORES[:cores])
                    if done is None:
                        raise SystemExit(f"{backbone}: {why}")
                    rates.setdefault((backbone, missing, cores), {}).setdefault(("deconfound", ""), []).append(done)
                    for python in a.python:
                        for name, extra in variants(backbone, not a.no_compile):
                            for groups in ([[CORES[:1]]] if cores == 1 else [[CORES], [CORES[:1], CORES[1:]]]):
                                key = (backbone, missing, python, name)
                                if key in failed:
                                    continue
                                done, text = torch(python, backbone, case, a.seconds, extra, groups)
                                if done is None:
                                    failed[key] = text
                                    continue
                                what = f"{name}, {len(groups)} × {len(groups[0])} thread"
                                rates[backbone, missing, cores].setdefault(("torch " + text, what), []).append(done)
    for key, text in failed.items():
        print("left out:", *key, text, file=sys.stderr)

    print("| backbone | missing | cores | deconfound | best PyTorch | of | ratio |\n|---|---|---|---|---|---|---|")
    for (backbone, missing, cores), rows in rates.items():
        medians = {who: statistics.median(values) for who, values in rows.items()}
        mine = medians.pop(("deconfound", ""))
        versions = sorted({version for version, _ in medians})
        for version in versions:
            what, best = max(((w, v) for (who, w), v in medians.items() if who == version), key=lambda pair: pair[1])
            print(f"| {backbone} | {missing} % | {cores} | {mine:.1f} | {best:.1f} | {version}, {what} | {mine / best:.2f} |")


if __name__ == "__main__":
    main()

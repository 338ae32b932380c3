"""Steps per second of this project against PyTorch, in the same run.

    python3 host/e2e/bench/steps.py --python PYTHON [--python PYTHON ...] [--rounds 5] [--seconds 2]

PYTHON is an interpreter with PyTorch; several compare several versions. Each round
runs every competitor once, one after the other, so that what else the machine does
meets all of them. Printed are medians and, for each of our rows, the ratio to the
best PyTorch row of the same case. "both cores" is two processes of one thread
together, or two threads, whichever is faster.
"""

import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[3]
CASES = [("concat", 0), ("concat", 40), ("attention", 0), ("attention", 40)]


def go(binary, directory, door, fusion, missing, seconds, processes):
    # The pattern has one element a level of sub-benchmarks.
    pattern = f"^BenchmarkPeer$/^{door}$/^{fusion}$/^missing={missing}$"
    command = [binary, "-test.run", "^$", "-test.bench", pattern, "-test.benchtime", f"{seconds}s"]
    env = dict(os.environ, GOMAXPROCS="1" if processes == 2 else "2")
    if directory:
        env["DECONFOUND_PEER"] = str(directory)
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) for _ in range(processes)]
    return sum(float(re.search(r"([\d.]+) steps/s", p.communicate()[0])[1]) for p in running)


def torch(python, case, threads, processes, extra, seconds):
    # OPENBLAS_CORETYPE pins some installations to an old kernel.
    env = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_")}
    env.update(OMP_NUM_THREADS=str(threads), OPENBLAS_NUM_THREADS=str(threads))
    command = [python, str(ROOT / "host/e2e/bench/torch_step.py"), str(case), "--threads", str(threads), "--seconds", str(seconds), *extra]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env) for _ in range(processes)]
    total = 0.0
    for p in running:
        out, err = p.communicate()
        if p.returncode:
            return None, err.strip().splitlines()[-1]
        total += json.loads(out)["steps_per_second"]
    return total, json.loads(out)["torch"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--python", action="append", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    a = parser.parse_args()

    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        binary = scratch / "graph.test"
        subprocess.run(["go", "test", "-c", "-o", binary, "./sdk/graph"], check=True, cwd=ROOT)
        for fusion, missing in CASES:
            for door in ("tape", "graph"):
                go(binary, scratch, door, fusion, missing, 0.01, 1)

        rates, failed = {}, {}
        for _ in range(a.rounds):
            for fusion, missing in CASES:
                for cores in (1, 2):
                    for door in ("tape", "graph"):
                        rates.setdefault((fusion, missing, cores, "go", door), []).append(
                            go(binary, None, door, fusion, missing, a.seconds, cores))
                    forms = ["elementwise", "matmul", "sdpa"] if fusion == "attention" else ["none"]
                    variants = [(["--attention", f], f) for f in forms]
                    if not a.no_compile:
                        variants += [(["--compile", "--attention", f], f + " compiled") for f in forms[-1:]]
                    for python in a.python:
                        for extra, name in variants:
                            for threads, processes in ([(1, 1)] if cores == 1 else [(2, 1), (1, 2)]):
                                key = (fusion, missing, cores, python, f"{name}, {processes} × {threads} thread")
                                if key in failed:
                                    continue
                                rate, text = torch(python, scratch / f"tape-{fusion}-{missing}", threads, processes, extra, a.seconds)
                                if rate is None:
                                    failed[key] = text
                                else:
                                    rates.setdefault((fusion, missing, cores, "torch " + text, key[4]), []).append(rate)

        for key, text in failed.items():
            print("left out:", *key, text, file=sys.stderr)
        print("| case | cores | competitor | steps/s | ratio to the best PyTorch |\n|---|---|---|---|---|")
        for fusion, missing in CASES:
            for cores in (1, 2):
                rows = {k[3:]: statistics.median(v) for k, v in rates.items() if k[:3] == (fusion, missing, cores)}
                best = max(v for k, v in rows.items() if k[0] != "go")
                for (who, what), rate in rows.items():
                    name = f"**sdk/{'nn' if what == 'tape' else 'graph'}**" if who == "go" else f"{who}, {what}"
                    print(f"| {fusion}, {missing} % missing | {cores} | {name} | {rate:.1f} | {rate / best:.2f} |")


if __name__ == "__main__":
    main()

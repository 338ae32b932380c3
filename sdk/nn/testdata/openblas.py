"""Times products of OpenBLAS for BenchmarkGemm_AgainstOpenBLAS.

    python3 openblas.py libopenblas.so.0

Reads lines "transA transB m n k count" and answers the seconds of count products,
row-major, float32, c = a*b. The environment sets the threads.
"""

import ctypes
import random
import sys
import time

library = ctypes.CDLL(sys.argv[1])
sgemm = library.cblas_sgemm
library.openblas_get_corename.restype = ctypes.c_char_p
print(library.openblas_get_corename().decode(), flush=True)
ROW, PLAIN, TRANSPOSED = 101, 111, 112
matrices = {}


def matrix(name, n):
    if (name, n) not in matrices:
        matrices[name, n] = (ctypes.c_float * n)(*(random.gauss(0, 1) for _ in range(n)))
    return matrices[name, n]


for line in sys.stdin:
    ta, tb, m, n, k, count = map(int, line.split())
    a, b, c = matrix("a", m * k), matrix("b", k * n), matrix("c", m * n)
    arguments = (
        ROW, TRANSPOSED if ta else PLAIN, TRANSPOSED if tb else PLAIN, m, n, k,
        ctypes.c_float(1), a, m if ta else k, b, k if tb else n, ctypes.c_float(0), c, n,
    )
    began = time.perf_counter()
    for _ in range(count):
        sgemm(*arguments)
    print(time.perf_counter() - began, flush=True)

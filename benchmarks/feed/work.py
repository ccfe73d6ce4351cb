"""What the peers of the suite `feed` generate: batches of 32 images, after some work in C."""

import ctypes

import numpy as np

BATCH = 32
BATCHES = 16


class Work:
    def __init__(self, library):
        self.burn = ctypes.CDLL(library).burn
        self.burn.argtypes, self.burn.restype = [ctypes.c_long], ctypes.c_double
        self.iterations = 0
        self.x = np.random.rand(BATCHES, BATCH, 28, 28, 1).astype(np.float32)
        self.y = np.random.randint(0, 10, (BATCHES, BATCH)).astype(np.int32)

    def batch(self, index):
        self.burn(self.iterations)
        return self.x[index % BATCHES].copy(), self.y[index % BATCHES].copy()

"""JAX's side of scripts/gpu-check: the suite's workloads, one line each.

usage: side_jax.py

One jitted function a step, its state donated; a batch comes from the host's memory, as Stoker's
does. Adam is written out, so that nothing beside JAX is needed.
"""

import json
import time

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

BATCHES = 16
WORKLOADS = [("mlp-b32", 32), ("mlp-b128", 128), ("cnn-b32", 32), ("cnn-b128", 128), ("tiny-b1", 1)]
ROUND_S, ROUNDS = 0.4, 5


def dense(key, inputs, outputs):
    limit = (6.0 / (inputs + outputs)) ** 0.5
    return {"w": jax.random.uniform(key, (inputs, outputs), minval=-limit, maxval=limit),
            "b": jnp.zeros(outputs)}


def conv(key, inputs, outputs):
    limit = (6.0 / (9 * (inputs + outputs))) ** 0.5
    return {"w": jax.random.uniform(key, (3, 3, inputs, outputs), minval=-limit, maxval=limit),
            "b": jnp.zeros(outputs)}


def parameters_of(workload):
    keys = jax.random.split(jax.random.PRNGKey(1), 3)
    if workload == "tiny":
        return [dense(keys[0], 4, 4)]
    if workload == "mlp":
        return [dense(keys[0], 784, 128), dense(keys[1], 128, 10)]
    return [conv(keys[0], 1, 32), conv(keys[1], 32, 64), dense(keys[2], 1600, 10)]


def apply_dense(p, x):
    return x @ p["w"] + p["b"]


def convolve_and_pool(p, x):
    x = lax.conv_general_dilated(x, p["w"], (1, 1), "VALID",
                                 dimension_numbers=("NHWC", "HWIO", "NHWC")) + p["b"]
    return lax.reduce_window(jax.nn.relu(x), -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def output_of(workload, parameters, x, key):
    if workload == "tiny":
        return apply_dense(parameters[0], x)
    if workload == "mlp":
        x = jax.nn.relu(apply_dense(parameters[0], x.reshape(x.shape[0], -1)))
        return apply_dense(parameters[1], x)
    x = convolve_and_pool(parameters[1], convolve_and_pool(parameters[0], x))
    x = x.reshape(x.shape[0], -1)
    x = jnp.where(jax.random.bernoulli(key, 0.5, x.shape), 2.0 * x, 0.0)
    return apply_dense(parameters[2], x)


def step_of(workload):
    def loss_of(parameters, x, y, key):
        out = output_of(workload, parameters, x, key)
        if workload == "tiny":
            return jnp.mean((out - y) ** 2)
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(out), y[:, None], 1))

    def step(state, x, y):
        parameters, m, v, t = state
        key = jax.random.fold_in(jax.random.PRNGKey(2), t)
        loss, gradients = jax.value_and_grad(loss_of)(parameters, x, y, key)
        t = t + 1
        if workload == "tiny":
            parameters = jax.tree.map(lambda p, g: p - 0.01 * g, parameters, gradients)
            return (parameters, m, v, t), loss
        m = jax.tree.map(lambda a, g: 0.9 * a + 0.1 * g, m, gradients)
        v = jax.tree.map(lambda a, g: 0.999 * a + 0.001 * g * g, v, gradients)
        rate = 1e-3 * jnp.sqrt(1.0 - 0.999 ** t) / (1.0 - 0.9 ** t)
        parameters = jax.tree.map(lambda p, a, b: p - rate * a / (jnp.sqrt(b) + 1e-7),
                                  parameters, m, v)
        return (parameters, m, v, t), loss

    return jax.jit(step, donate_argnums=0)


class Training:
    def __init__(self, workload, batch):
        random = np.random.default_rng(1)
        tiny = workload == "tiny"
        shape = (batch, 4) if tiny else (batch, 28, 28, 1)
        self.xs = [random.random(shape, dtype=np.float32) for _ in range(BATCHES)]
        self.ys = [random.random((batch, 4), dtype=np.float32) if tiny
                   else random.integers(0, 10, batch, dtype=np.int32) for _ in range(BATCHES)]
        parameters = parameters_of(workload)
        zeros = [jax.tree.map(jnp.zeros_like, parameters) for _ in range(2)]
        self.state = (parameters, *zeros, jnp.zeros((), jnp.float32))
        self.step, self.next, self.loss = step_of(workload), 0, None

    def seconds(self, steps):
        start = time.perf_counter()
        for _ in range(steps):
            i = self.next % BATCHES
            self.next += 1
            self.state, self.loss = self.step(self.state, self.xs[i], self.ys[i])
        jax.block_until_ready((self.state, self.loss))
        return time.perf_counter() - start


def main():
    jax.config.update("jax_default_matmul_precision", "tensorfloat32")  # as Stoker's default
    for name, batch in WORKLOADS:
        start = time.perf_counter()
        training = Training(name.split("-")[0], batch)
        training.seconds(1)
        first = time.perf_counter() - start
        steps = 4
        while steps < 20000 and training.seconds(steps) < ROUND_S / 4:
            steps *= 2
        best = min(training.seconds(4 * steps) for _ in range(ROUNDS)) / (4 * steps)
        print("RESULT " + json.dumps({
            "workload": name, "us_per_step": 1e6 * best, "first_step_s": first,
            "loss": float(training.loss), "version": jax.__version__,
            "device": jax.devices()[0].platform}), flush=True)


if __name__ == "__main__":
    main()

"""tf.data: decoded and resized by TensorFlow, which gives float32."""

import tensorflow as tf

from data import ELEMENTS_IN_BATCH, IMAGES_IN_BATCH, SEED, SIZE, STEPS

AUTOTUNE = tf.data.AUTOTUNE
CALLS = ("auto", "1", "2", "3", "4")


def settings(row):
    if row == "jpeg":
        return ([f"calls={calls},dct={dct}" for calls in CALLS for dct in ("default", "fast")] +
                ["calls=auto,dct=fast,order=any"])
    if row == "png":
        return [f"calls={calls}" for calls in CALLS] + ["calls=auto,order=any"]
    if row == "elements":
        return ["by=element"] + [f"by=batch,calls={calls}" for calls in ("auto", "1", "2")]
    if row == "map":
        return [f"by={by},calls={calls}" for by in ("element", "batch") for calls in CALLS]
    return ["prefetch=auto", "prefetch=2"]


def images(kind, setting, calls, data):
    dct = "INTEGER_FAST" if setting.get("dct") == "fast" else ""

    def load(path, label):
        content = tf.io.read_file(path)
        image = (tf.io.decode_jpeg(content, channels=3, dct_method=dct) if kind == "jpeg" else
                 tf.io.decode_png(content, channels=3))
        image = tf.image.resize(image, (SIZE, SIZE))
        return tf.image.random_flip_left_right(image), label

    return (tf.data.Dataset.from_tensor_slices(data.files(kind))
            .map(load, num_parallel_calls=calls, deterministic="order" not in setting)
            .batch(IMAGES_IN_BATCH))


def elements(setting, calls, data, maps):
    x, y = data.x, data.y
    if setting["by"] == "element":
        found = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(len(y), SEED)
        if maps:
            found = found.map(lambda x, y: (x / 255.0, y), num_parallel_calls=calls)
        return found.batch(ELEMENTS_IN_BATCH)
    all_x, all_y = tf.constant(x), tf.constant(y)

    def gather(rows):
        x = tf.gather(all_x, rows)
        return x / 255.0 if maps else x, tf.gather(all_y, rows)

    return (tf.data.Dataset.range(len(y)).shuffle(len(y), SEED).batch(ELEMENTS_IN_BATCH)
            .map(gather, num_parallel_calls=calls))


def generated(data, burn):
    def steps():
        for index in range(STEPS):
            burn()
            yield data.step(index)

    return tf.data.Dataset.from_generator(
        steps, output_signature=(tf.TensorSpec((IMAGES_IN_BATCH, 28, 28, 1), tf.float32),
                                 tf.TensorSpec((IMAGES_IN_BATCH,), tf.int32)))


def loader(row, setting, data, burn):
    calls = AUTOTUNE if setting.get("calls", "auto") == "auto" else int(setting["calls"])
    if row in ("jpeg", "png"):
        found = images(row, setting, calls, data)
    elif row == "generator":
        found = generated(data, burn)
    else:
        found = elements(setting, calls, data, row == "map")
    ahead = setting.get("prefetch", "auto")
    found = found.prefetch(AUTOTUNE if ahead == "auto" else int(ahead))
    options = tf.data.Options()
    options.threading.max_intra_op_parallelism = 1  # images are parallel already
    found = found.with_options(options)
    return lambda: found

"""The models of which make_trajectories.py makes cases."""

import dataclasses
import typing

import keras

kl = keras.layers

# The options of optimizers are numbers that float32 holds exactly: else float64 would train with
# other ones, of which 1 - beta_2 ** step shows the difference a thousandfold.
LEARNING_RATE = 2.0**-7
ADAM = {"learning_rate": LEARNING_RATE, "beta_1": 0.875, "beta_2": 1 - 2.0**-10}
RMSPROP = {"learning_rate": LEARNING_RATE, "rho": 0.875}


@dataclasses.dataclass
class Case:
    build: typing.Callable
    # By the name of the tensor: the shape of a row and how many classes it holds; 0: real numbers.
    data: dict[str, tuple[tuple[int, ...], int]]
    is_fit: bool = False
    backend: str = "jax"


CASES: dict[str, Case] = {}


def case(is_fit=False, backend="jax", **data):
    def mark(build):
        CASES[build.__name__.replace("_", "-")] = Case(build, data, is_fit, backend)
        return build

    return mark


@case(x0=((6,), 0), x1=((4,), 0), y0=((), 3), y1=((2,), 0))
def several_outputs_adam():
    first = keras.Input((6,), name="first")
    second = keras.Input((4,), name="second")
    wide = kl.Dense(7, activation="tanh", name="wide")(first)
    both = kl.Concatenate(name="both")([second, wide])
    kind = kl.Dense(3, activation="softmax", name="kind")(both)
    price = kl.Dense(2, name="price")(kl.Dense(5, activation="tanh", name="deep")(both))
    model = keras.Model([first, second], [kind, price], name="several")
    model.compile(
        optimizer=keras.optimizers.Adam(**ADAM),
        loss={"price": "mse", "kind": "sparse_categorical_crossentropy"},
        loss_weights={"kind": 0.75, "price": 0.3},
        metrics={"price": ["mae"], "kind": ["accuracy"]},
    )
    return model


@case(
    x0=((6,), 0),
    x1=((4,), 0),
    y0=((2,), 0),
    y1=((1,), 2),
    sample_weight0=((), 0),
    sample_weight1=((), 0),
)
def several_outputs_lists():
    first = keras.Input((6,), name="first")
    second = keras.Input((4,), name="second")
    shared = kl.Dense(4, activation="tanh", name="shared")
    narrowed = kl.Dense(4, activation="elu", kernel_regularizer="l2", name="narrow")(first)
    both = kl.Add(name="both")([shared(second), shared(narrowed)])
    price = kl.Dense(2, name="price")(both)
    sold = kl.Dense(1, activation="sigmoid", name="sold")(kl.Multiply(name="x")([both, second]))
    model = keras.Model([first, second], [price, sold], name="several")
    model.compile(
        optimizer=keras.optimizers.RMSprop(**RMSPROP),
        loss=["mse", keras.losses.BinaryCrossentropy()],
        loss_weights=[0.5, 2.0],
        metrics=[["mae"], ["mse"]],
        weighted_metrics=[["mae"], ["binary_accuracy"]],
    )
    return model


@case(is_fit=True, x0=((6,), 0), x1=((4,), 0), y0=((), 3), y1=((), 0))
def several_outputs_fit_history():
    first = keras.Input((6,), name="first")
    second = keras.Input((4,), name="second")
    both = kl.Concatenate(name="c")([first, second])
    hidden = kl.Dense(7, activation="tanh", name="hidden")(both)
    outputs = [
        kl.Dense(3, activation="softmax", name="a")(hidden),
        kl.Flatten(name="b")(kl.Dense(1, name="before_b")(hidden)),
    ]
    model = keras.Model([first, second], outputs, name="several")
    model.compile(
        optimizer=keras.optimizers.Adam(**ADAM),
        loss=["sparse_categorical_crossentropy", "mse"],
        loss_weights={"a": 1.0, "b": 0.25},
        metrics={"a": "accuracy", "b": ["mae", "mse"]},
    )
    return model


@case(x0=((5,), 0), x1=((5,), 0), y=((2,), 0))
def nested_adam():
    inner_input = keras.Input((5,), name="inner_input")
    inner = kl.Dense(6, activation="tanh", name="dense")(inner_input)
    inner = kl.BatchNormalization(momentum=0.9, name="norm")(inner)
    side = kl.Dense(4, activation="tanh", name="side")(inner)
    encoder = keras.Model(inner_input, [inner, side], name="encoder")
    # The layers of both inner models have the same names.
    head = keras.Sequential(
        [
            keras.Input((8,), name="head_input"),
            kl.Dense(4, activation="tanh", name="dense"),
            kl.BatchNormalization(name="norm"),
            kl.Dense(6, activation="tanh", name="last"),
        ],
        name="head",
    )
    first = keras.Input((5,), name="first")
    second = keras.Input((5,), name="second")
    encoded, side = encoder(first)
    encoded_again, side_again = encoder(second)  # It has the weights of the first call.
    sides = kl.Concatenate(name="sides")([side, side_again])
    all_of_it = kl.Add(name="sum")([encoded, encoded_again, head(sides)])
    model = keras.Model([first, second], kl.Dense(2, name="out")(all_of_it), name="outer")
    model.compile(optimizer=keras.optimizers.Adam(**ADAM), loss="mse")
    return model


@case(x=((5,), 0), y=((), 4))
def branches_sgd():
    x = keras.Input((5,), name="x")
    # Keras lists layers by their distance from the output: this one, made first, comes late.
    short = kl.Dense(4, activation="tanh", name="short")(x)
    middle = kl.Dense(4, activation="elu", name="middle_1")(x)
    middle = kl.Dense(4, activation="tanh", name="middle_2")(middle)
    long = kl.Dense(3, activation="tanh", name="long_1")(x)
    long = kl.Dense(4, activation="tanh", name="long_2")(long)
    again = kl.Dense(4, activation="tanh", name="again")  # It stands at two distances.
    long = again(long)
    short = again(short)
    merged = kl.Concatenate(name="merged")([short, middle, long])
    merged = kl.BatchNormalization(momentum=0.9, name="norm")(merged)
    mean = kl.Average(name="mean")([kl.Dense(4, name="side")(merged), short])
    out = kl.Dense(4, name="out")(mean)
    model = keras.Model(x, out, name="branches")
    model.compile(
        optimizer=keras.optimizers.SGD(0.0625, momentum=0.875, nesterov=True),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return model


@case(x=((5,), 0), y=((3,), 0))
def frozen_nested():
    inner_input = keras.Input((6,), name="inner_input")
    inner = kl.Dense(6, activation="tanh", kernel_regularizer="l2", name="dense")(inner_input)
    inner = kl.BatchNormalization(name="norm")(inner)  # Frozen, it uses its moving statistics.
    frozen = keras.Model(inner_input, kl.Dense(4, name="last")(inner), name="frozen")
    frozen.trainable = False
    half = keras.Sequential(
        [
            keras.Input((4,), name="half_input"),
            kl.Dense(4, activation="tanh", name="still", trainable=False),
            kl.Dense(4, activation="tanh", name="moving"),
        ],
        name="half",
    )
    x = keras.Input((5,), name="x")
    before = kl.Dense(6, activation="tanh", name="before")(x)
    tail_input = keras.Input((4,), name="tail_input")
    tail = keras.Model(tail_input, kl.Dense(3, name="out")(tail_input), name="tail")
    model = keras.Model(x, tail(half(frozen(before))), name="outer")
    model.compile(optimizer=keras.optimizers.Adam(**ADAM), loss="mse")
    return model


@case(x0=((5,), 4), x1=((5,), 4), y=((5,), 3), sample_weight=((5,), 0))
def masks_adam():
    inputs = [keras.Input((5,), dtype="int32", name=name) for name in ("first", "second")]
    a, b = [
        kl.Embedding(4, 6, mask_zero=True, name=f"embedding_{x.name}")(x) for x in inputs
    ]
    merged = [
        layer(name=layer.__name__.lower())([a, b])
        for layer in (kl.Add, kl.Multiply, kl.Average, kl.Maximum, kl.Minimum)
    ]
    # One input without a mask.
    free = kl.Embedding(4, 6, name="free")(inputs[0])
    merged += [kl.Multiply(name="times_free")([a, free]), kl.Maximum(name="max_free")([free, b])]
    merged.append(kl.Minimum(name="min_three")([a, b, a]))
    hidden = kl.Dense(6, activation="tanh", name="hidden")(kl.Concatenate(name="all")(merged))
    hidden = kl.Multiply(name="masked_again")([hidden, a])
    model = keras.Model(inputs, kl.Dense(3, activation="softmax", name="out")(hidden), name="masks")
    model.compile(
        optimizer=keras.optimizers.Adam(**ADAM),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        weighted_metrics=["accuracy"],
    )
    return model


@case(x0=((4,), 0), x1=((4,), 0), y=((2,), 0))
def shared_state_sgd():
    first = keras.Input((4,), name="first")
    second = keras.Input((4,), name="second")
    norm = kl.BatchNormalization(momentum=0.75, name="norm")
    # Keras runs the second of these calls first, and the moving statistics show it.
    a = kl.Dense(4, activation="tanh", name="a")(norm(first))
    b = kl.Dense(4, activation="tanh", name="b")(norm(second))
    model = keras.Model([first, second], kl.Dense(2, name="out")(kl.Add(name="sum")([a, b])))
    model.compile(optimizer=keras.optimizers.SGD(0.0625), loss="mse")
    return model


@case(x=((6, 6, 2), 0), y=((3,), 0))
def constraints_adam():
    constraints = keras.constraints
    orthogonal = keras.regularizers.OrthogonalRegularizer
    model = keras.Sequential(
        [
            keras.Input((6, 6, 2), name="images"),
            kl.Conv2D(
                5,
                3,
                activation="tanh",
                kernel_constraint=constraints.MaxNorm(0.75, axis=[0, 1, 2]),
                bias_constraint="non_neg",
                name="filters",
            ),
            kl.Flatten(name="flat"),
            kl.Dense(
                8,
                activation="tanh",
                kernel_regularizer=orthogonal(0.0625, mode="columns"),
                kernel_constraint=constraints.UnitNorm(),
                name="unit",
            ),
            kl.Dense(
                3,
                kernel_regularizer=orthogonal(0.03125),
                kernel_constraint=constraints.MinMaxNorm(0.5, 1.0, rate=0.75, axis=-2),
                name="between",
            ),
        ],
        name="constrained",
    )
    model.compile(optimizer=keras.optimizers.Adam(**ADAM), loss="mse")
    return model


def layers_of_two_sizes():
    return [
        keras.Input((5,), name="x"),
        kl.Dense(8, activation="tanh", name="hidden"),
        kl.LayerNormalization(name="norm"),
        kl.Dense(3, name="out"),
    ]


@case(x=((5,), 0), y=((3,), 0))
def mlp_lamb():
    model = keras.Sequential(layers_of_two_sizes(), name="mlp")
    model.compile(
        optimizer=keras.optimizers.Lamb(**ADAM, weight_decay=0.125, clipnorm=1.0), loss="mse"
    )
    return model


@case(x=((5,), 0), y=((3,), 0))
def mlp_schedule_free():
    model = keras.Sequential(layers_of_two_sizes(), name="mlp")
    model.compile(
        optimizer=keras.optimizers.ScheduleFreeAdamW(
            **ADAM, warmup_steps=8, weight_decay=0.0625, epsilon=2.0**-8
        ),
        loss="mse",
    )
    return model


@case(x=((5, 6, 7, 2), 0), y=((3,), 0))
def volumes_sgd():
    x = keras.Input((5, 6, 7, 2), name="volumes")
    wide = kl.Conv3D(4, (2, 3, 2), strides=(2, 1, 3), padding="same", name="strided")(x)
    wide = kl.Activation("tanh", name="tanh_1")(wide)
    apart = kl.Conv3D(4, (3, 2, 2), dilation_rate=(2, 1, 2), groups=2, name="dilated")(x)
    apart = kl.MaxPooling3D((1, 2, 3), strides=(1, 3, 2), padding="same", name="maxima")(apart)
    up = kl.Conv3DTranspose(3, (2, 3, 2), strides=(3, 1, 2), padding="same", name="up")(wide)
    up = kl.AveragePooling3D((4, 3, 2), strides=(2, 2, 2), padding="same", name="means")(up)
    more = kl.Conv3DTranspose(2, (2, 1, 3), strides=(2, 2, 1), output_padding=(1, 0, 0), name="more")
    more = kl.AveragePooling3D(2, name="halves")(more(apart))
    parts = [kl.GlobalAveragePooling3D(name="mean_up")(up), kl.Flatten(name="flat")(more)]
    out = kl.Dense(3, name="out")(kl.Concatenate(name="both")(parts))
    model = keras.Model(x, out, name="volumes")
    model.compile(optimizer=keras.optimizers.SGD(0.0625, momentum=0.875), loss="mse")
    return model


@case(x=((6,), 0), y=((), 4))
def circle_sgd():
    model = keras.Sequential(
        [
            keras.Input((6,), name="x"),
            kl.Dense(8, activation="tanh", name="hidden"),
            kl.Dense(5, name="embedding"),
            kl.UnitNormalization(name="unit"),
        ],
        name="circle",
    )
    model.compile(
        optimizer=keras.optimizers.SGD(0.0625),
        loss=keras.losses.Circle(gamma=4.0, margin=0.375),
    )
    return model


# On JAX a layer cannot give a trained weight another value, and Keras's numbers differ.
@case(backend="tensorflow", x=((6, 5, 2), 0), y=((3,), 0))
def spectral_adam():
    model = keras.Sequential(
        [
            keras.Input((6, 5, 2), name="x"),
            kl.SpectralNormalization(
                kl.Conv2D(
                    4, 3, activation="tanh", kernel_regularizer=keras.regularizers.L2(0.0625)
                ),
                power_iterations=2,
                name="images",
            ),
            kl.Flatten(name="flat"),
            kl.SpectralNormalization(kl.Dense(5, activation="tanh"), name="rows"),
            kl.Dense(3, name="out"),
        ],
        name="spectral",
    )
    model.compile(optimizer=keras.optimizers.Adam(**ADAM), loss="mse")
    return model


@case(x=((4,), 7), y=((4,), 7))
def tied_embedding_adam():
    ids = keras.Input((4,), dtype="int32", name="ids")
    tied = kl.ReversibleEmbedding(7, 5, logit_soft_cap=4.0, name="tied")
    apart = kl.ReversibleEmbedding(7, 5, tie_weights=False, name="apart")
    x = kl.Dense(5, activation="tanh", name="hidden")(kl.Add(name="both")([tied(ids), apart(ids)]))
    out = kl.Add(name="sum")([tied(x, reverse=True), apart(x, reverse=True)])
    model = keras.Model(ids, out, name="tied")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.Adam(**ADAM), loss=loss)
    return model


@case(x0=((3, 6, 2), 0), x1=((3, 4, 5, 4, 1), 0), y=((3,), 0))
def conv_lstm_rows_and_volumes():
    rows = keras.Input((3, 6, 2), name="rows")
    volumes = keras.Input((3, 4, 5, 4, 1), name="volumes")
    first = kl.ConvLSTM1D(3, 3, padding="same", return_sequences=True, name="first")(rows)
    second = kl.ConvLSTM1D(2, 2, strides=2, go_backwards=True, name="second")(first)
    solid = kl.ConvLSTM3D(
        2, (2, 3, 2), strides=(1, 2, 1), recurrent_activation="hard_sigmoid", name="solid"
    )
    parts = [kl.Flatten(name="flat_rows")(second), kl.Flatten(name="flat_solid")(solid(volumes))]
    out = kl.Dense(3, name="out")(kl.Concatenate(name="both")(parts))
    model = keras.Model([rows, volumes], out, name="both_kinds")
    model.compile(optimizer=keras.optimizers.SGD(0.0625, momentum=0.875), loss="mse")
    return model


@case(x=((5,), 0), y=((3,), 0))
def mlp_muon():
    model = keras.Sequential(
        [
            keras.Input((5,), name="x"),
            kl.Dense(8, activation="tanh", name="wide"),
            kl.LayerNormalization(name="norm"),
            kl.Dense(4, activation="tanh", name="tall"),
            kl.Dense(3, name="out"),
        ],
        name="mlp",
    )
    model.compile(
        optimizer=keras.optimizers.Muon(
            learning_rate=LEARNING_RATE,
            adam_beta_1=0.875,
            adam_beta_2=1 - 2.0**-10,
            adam_weight_decay=0.125,
            weight_decay=0.0625,
            exclude_layers=["o.t/"],
            adam_lr_ratio=0.5,
            momentum=0.875,
            muon_a=3.5,
            muon_b=-4.75,
            muon_c=2.0,
            rms_rate=0.25,
        ),
        loss="mse",
    )
    return model


@case(x=((5,), 0), y=((3,), 0))
def mlp_several_optimizers():
    model = keras.Sequential(
        [
            keras.Input((5,), name="x"),
            kl.Dense(8, activation="tanh", name="first"),
            kl.LayerNormalization(name="norm"),
            kl.Dense(6, activation="tanh", name="second"),
            kl.Dense(3, name="out"),
        ],
        name="mlp",
    )
    adam = keras.optimizers.Adam(**ADAM, weight_decay=0.125, global_clipnorm=0.25)
    sgd = keras.optimizers.SGD(0.0625, momentum=0.875, clipvalue=0.125)
    rms = keras.optimizers.RMSprop(**RMSPROP, clipnorm=0.25)
    adagrad = keras.optimizers.Adagrad(0.03125, initial_accumulator_value=0.125)
    optimizers = {"mlp/first/kernel": adagrad, "mlp/(first|norm)/.*": adam, "mlp/second/.*": rms}
    optimizers = keras.optimizers.OptimizerMap(sgd, optimizers)
    model.compile(optimizer=keras.optimizers.MultiOptimizer(optimizers), loss="mse")
    return model


@case(x=((5, 6, 2), 0), y=((3,), 0))
def images_adafactor():
    model = keras.Sequential(
        [
            keras.Input((5, 6, 2), name="x"),
            kl.Conv2D(4, (3, 2), activation="tanh", name="conv"),
            kl.Flatten(name="flat"),
            kl.LayerNormalization(name="norm"),
            kl.Dense(3, name="out"),
        ],
        name="images",
    )
    optimizer = keras.optimizers.Adafactor(
        0.25, beta_2_decay=-0.75, epsilon_2=2.0**-8, clip_threshold=0.5, weight_decay=0.0625
    )
    model.compile(optimizer=optimizer, loss="mse")
    return model

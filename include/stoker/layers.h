// All layers, with Keras 3's names, argument order and defaults. Images are (batch, height, width,
// channels). A layer describes: it holds configuration; a model gives it weights and runs it.
#pragma once

#include "stoker/axes.h"
#include "stoker/layers/activation.h"
#include "stoker/layers/attention.h"
#include "stoker/layers/convolution.h"
#include "stoker/layers/core.h"
#include "stoker/layers/layer.h"
#include "stoker/layers/lookups.h"
#include "stoker/layers/merging.h"
#include "stoker/layers/normalization.h"
#include "stoker/layers/pooling.h"
#include "stoker/layers/preprocessing.h"
#include "stoker/layers/recurrent.h"
#include "stoker/layers/regularization.h"
#include "stoker/layers/reshaping.h"
#include "stoker/layers/sides.h"
#include "stoker/layers/size2d.h"
#include "stoker/layers/size3d.h"

// Everything of Stoker's that a program needs. <iostream> is here because nearly every program
// prints.
#pragma once

#include <iostream>

#include "stoker/array_source.h"
#include "stoker/cifar.h"
#include "stoker/coroutine.h"
#include "stoker/csv.h"
#include "stoker/dataset.h"
#include "stoker/device.h"
#include "stoker/device_source.h"
#include "stoker/dtype.h"
#include "stoker/error.h"
#include "stoker/generator.h"
#include "stoker/history.h"
#include "stoker/idx.h"
#include "stoker/image.h"
#include "stoker/image_folder.h"
#include "stoker/initializers.h"
#include "stoker/layers.h"
#include "stoker/losses.h"
#include "stoker/memory_report.h"
#include "stoker/metrics.h"
#include "stoker/model.h"
#include "stoker/npy.h"
#include "stoker/optimizers.h"
#include "stoker/random.h"
#include "stoker/report.h"
#include "stoker/sequence.h"
#include "stoker/shape.h"
#include "stoker/source.h"
#include "stoker/tensor.h"

/* libdcgan: train DCGANs and draw pictures from them. Includes everything a user of the
 * library needs; start with train/trainer.h. */
#ifndef DCGAN_H
#define DCGAN_H

#include "base/error.h"
#include "data/dataset.h"
#include "train/sampler.h"
#include "train/trainer.h"

#endif

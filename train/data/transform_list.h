// The transforms behind the table of transforms.cc, by the file they stand in. Each draws its
// numbers, then acts on the canvas.
#pragma once

#include "train/data/canvas.h"
#include "train/data/transforms.h"

namespace fluke::train {

// color.cc: new values for each pixel
void RgbShift(const Values& values, Random& random, Canvas& canvas);
void BrightnessContrast(const Values& values, Random& random, Canvas& canvas);
void HueSaturationValue(const Values& values, Random& random, Canvas& canvas);
void Gamma(const Values& values, Random& random, Canvas& canvas);
void ToGray(const Values& values, Random& random, Canvas& canvas);

// noise.cc
void GaussNoise(const Values& values, Random& random, Canvas& canvas);

// blur.cc: sums over a neighbourhood
void Blur(const Values& values, Random& random, Canvas& canvas);
void GaussianBlur(const Values& values, Random& random, Canvas& canvas);
void MotionBlur(const Values& values, Random& random, Canvas& canvas);
void Sharpen(const Values& values, Random& random, Canvas& canvas);

// geometry.cc: pixels move
void Perspective(const Values& values, Random& random, Canvas& canvas);
void Elastic(const Values& values, Random& random, Canvas& canvas);
void Rotate(const Values& values, Random& random, Canvas& canvas);
void Affine(const Values& values, Random& random, Canvas& canvas);
void RandomResizedCrop(const Values& values, Random& random, Canvas& canvas);
void HorizontalFlip(const Values& values, Random& random, Canvas& canvas);
void VerticalFlip(const Values& values, Random& random, Canvas& canvas);

// occlusion.cc: something stands in front
void Rain(const Values& values, Random& random, Canvas& canvas);
void CoarseDropout(const Values& values, Random& random, Canvas& canvas);
void RandomErasing(const Values& values, Random& random, Canvas& canvas);

}  // namespace fluke::train

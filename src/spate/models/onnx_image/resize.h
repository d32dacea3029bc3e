// SPDX-License-Identifier: Apache-2.0
//
// Bilinear resize with antialiasing, with Pillow's arithmetic for 8-bit images (which is what
// torchvision's Resize does to a PIL image): equal to the last bit. Horizontal pass first, then
// vertical; weights in fixed point with 22 bits of fraction; each pass rounds to 8 bits.
//
// Threads: any number at once.
#pragma once

#include "spate/models/onnx_image/image.h"

namespace spate::models {

// Requires a non-empty image and width, height > 0. Returns a copy if the size is the same.
Image resize_bilinear(const Image& image, int width, int height);

// A rectangle of the image, which may reach outside of it: black is put there.
Image crop(const Image& image, int left, int top, int width, int height);

}  // namespace spate::models

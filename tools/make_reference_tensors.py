#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes tests/data/images: small pictures of every kind, and what torchvision makes of them.

Run it by hand when the cases change; its output is committed. It needs torch, torchvision, Pillow
and numpy (made with torchvision 0.13.1 and Pillow 12.3.0):

    python3 tools/make_reference_tensors.py tests/data/images

For each case, NAME.jpg or NAME.png, and in references.json: `size`, the width and height that
Pillow decodes; `rgb_sum`, the sum of all decoded samples; `resize`, `crop`, and `points`: pairs
of a position in the tensor of Resize > CenterCrop > ToTensor > Normalize and its value there; the
positions are spread evenly by an odd stride. `mean` and `deviation` are the
tensor's, over all positions.
"""
import json
import pathlib
import sys

import numpy as np
from PIL import Image
from torchvision import transforms

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
POINTS = 400


def picture(width, height, seed):
    """Smooth shapes, edges and noise, so that resizing has something to get wrong."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin(x / 7 + seed) * 60 + y * 0.6, np.cos(y / 5) * 70 + x * 0.4, (x + y) % 97 * 2.0]
    rgb = np.stack(waves, axis=-1) + 90 + rng.normal(0, 18, (height, width, 3))
    rgb[height // 4 : height // 2, width // 3 : width // 2] = (250, 20, 60)
    return Image.fromarray(np.clip(rgb, 0, 255).astype(np.uint8), "RGB")


def cases(folder):
    """(file, resize, crop); writes each file."""
    def save(image, name, **options):
        image.save(folder / name, **options)
        return name

    yield save(picture(200, 200, 1), "square.jpg", quality=85), 256, 224
    yield save(picture(317, 211, 2), "odd_landscape.jpg", quality=80), 256, 224
    yield save(picture(157, 281, 3), "odd_portrait.jpg", quality=80, progressive=True), 256, 224
    yield save(picture(640, 427, 4), "shrunk.jpg", quality=60), 256, 224
    yield save(picture(500, 375, 5), "shrunk_much.jpg", quality=60), 64, 57
    yield save(picture(31, 23, 6), "enlarged.png"), 256, 224
    yield save(picture(1, 1, 7), "one_pixel.png"), 256, 224
    yield save(picture(90, 60, 8), "crop_larger.png"), 60, 97
    yield save(picture(200, 150, 9), "same_size.png"), 150, 149
    yield save(picture(211, 160, 10).convert("L"), "grey.jpg", quality=85), 256, 224
    yield save(picture(120, 90, 11).convert("L"), "grey.png"), 256, 224
    yield save(picture(120, 90, 12).convert("1"), "bits.png"), 256, 224
    yield save(picture(120, 91, 13).quantize(32), "palette.png"), 256, 224
    yield save(picture(150, 120, 14).convert("CMYK"), "cmyk.jpg", quality=85), 256, 224
    alpha = picture(121, 99, 15).convert("RGBA")
    alpha.putalpha(Image.fromarray((np.arange(121 * 99) % 256).reshape(99, 121).astype(np.uint8)))
    yield save(alpha, "alpha.png"), 256, 224
    yield save(picture(101, 77, 16).convert("LA"), "grey_alpha.png"), 256, 224
    # EXIF orientation 6 (turn right): Image.open does not turn, and neither do we.
    exif = Image.Exif()
    exif[0x0112] = 6
    yield save(picture(180, 120, 17), "orientation.jpg", quality=80, exif=exif), 256, 224


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    references = []
    for name, resize, crop in cases(folder):
        image = Image.open(folder / name).convert("RGB")
        steps = [transforms.Resize(resize), transforms.CenterCrop(crop), transforms.ToTensor(),
                 transforms.Normalize(MEAN, STD)]
        tensor = transforms.Compose(steps)(image).numpy().ravel()
        stride = max(1, len(tensor) // POINTS) | 1
        positions = np.arange(0, len(tensor), stride)
        references.append({
            "file": name, "size": image.size, "rgb_sum": int(np.asarray(image, np.int64).sum()),
            "resize": resize, "crop": crop,
            "mean": round(float(tensor.mean(dtype=np.float64)), 6),
            "deviation": round(float(tensor.std(dtype=np.float64)), 6),
            "points": [[int(p), round(float(tensor[p]), 5)] for p in positions],
        })
    lines = ",\n".join(json.dumps(r, separators=(",", ":")) for r in references)
    (folder / "references.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()

// SPDX-License-Identifier: Apache-2.0
#include "spate/models/surface/surface_dataset.h"

extern "C" spate::models::SurfaceModule spate_surface_module();
extern "C" spate::models::SurfaceModule spate_surface_module() {
  return {1, &spate::models::make_surface_dataset};
}

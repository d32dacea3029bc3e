// SPDX-License-Identifier: Apache-2.0
//
// How the threads of a machine share its CPUs.
//
// Over seconds the kernel moves threads about so that each gets an equal share. A process that
// loads for some hundred milliseconds is not moved: its thread stays on the CPU that it was put on,
// the one with the fewest threads, and shares that one's time with them in equal parts. (CFS does
// not mend an imbalance of a single thread: three on two CPUs stay two and one.) The threads beside
// it then share what is left.
#pragma once

namespace spate::sim {

struct CoreShares {  // of one CPU, 0 to 1
  double loading = 1.0;
  double other = 1.0;
};

// `loading` threads of starting workers and `others` want to run on `cpus` CPUs; all >= 0, cpus >
// 0.
CoreShares core_shares(double loading, double others, double cpus);

}  // namespace spate::sim
